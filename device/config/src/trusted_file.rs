//! A file that nobody but root and we ourselves can have written, read by descriptor.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, OwnedFd},
    path::{self, Component, Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, stat},
    io::Errno,
    process::geteuid,
};

use crate::{ConfigError, Mistrust};

/// Much more than every key with a long value takes.
const MAX_BYTES: u64 = 64 * 1024;
const PERMISSIONS: u32 = 0o7777;
/// An access list (acl(5)) that lets others write shows in the group's bit, which is its mask.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The contents, or nothing if there is no such file. A folder that others may write is no matter
/// while there is no file: they could not make one that we would trust.
pub(crate) fn read(asked: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    let path = path::absolute(asked).map_err(|source| unreadable(asked, source))?;
    let mut walk = Walk::begin()?;
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let name = match component {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            Component::ParentDir => OsStr::new(".."),
            Component::Normal(name) => name,
        };
        if components.peek().is_none() {
            return walk.file(name);
        }
        if !walk.enter(name, &path)? {
            return Ok(None);
        }
    }
    Err(untrusted(&path, Mistrust::NotRegular))
}

/// The folders so far, the last of them held open, and what was the matter with the first that was
/// not as it must be.
struct Walk {
    folder: OwnedFd,
    path: PathBuf,
    mistrusted: Option<ConfigError>,
}

impl Walk {
    fn begin() -> Result<Self, ConfigError> {
        let path = PathBuf::from("/");
        let folder = open(CWD, path.as_os_str(), OFlags::PATH)
            .map_err(|errno| unreadable(&path, errno.into()))?;
        let mut walk = Self { folder, path, mistrusted: None };
        let inspected = inspect(&walk.folder, &walk.path)?;
        walk.trust(&inspected);
        Ok(walk)
    }

    /// Goes into a folder, and says whether there is one. `whole` is the path of the file.
    fn enter(&mut self, name: &OsStr, whole: &Path) -> Result<bool, ConfigError> {
        self.path.push(name);
        let Some(folder) = self.open(name, OFlags::PATH)? else { return Ok(false) };
        let inspected = inspect(&folder, &self.path)?;
        match FileType::from_raw_mode(inspected.st_mode) {
            FileType::Directory => {}
            FileType::Symlink => {
                let link = untrusted(&self.path, Mistrust::SymbolicLink);
                let leads_nowhere = matches!(stat(whole), Err(Errno::NOENT | Errno::NOTDIR));
                return if leads_nowhere {
                    Ok(false)
                } else {
                    Err(self.mistrusted.take().unwrap_or(link))
                };
            }
            _ => return Ok(false),
        }
        self.folder = folder;
        self.trust(&inspected);
        Ok(true)
    }

    fn file(mut self, name: &OsStr) -> Result<Option<Vec<u8>>, ConfigError> {
        self.path.push(name);
        // Looked at without opening it for reading, which has effects on a FIFO or a device.
        let Some(found) = self.open(name, OFlags::PATH)? else { return Ok(None) };
        check_type(&inspect(&found, &self.path)?, &self.path)?;
        if let Some(error) = self.mistrusted {
            return Err(error);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(file) = self.open(name, flags)? else { return Ok(None) };
        let inspected = inspect(&file, &self.path)?;
        check_type(&inspected, &self.path)?;
        check_owner_and_mode(&inspected, &self.path)?;
        if inspected.st_nlink != 1 {
            return Err(untrusted(&self.path, Mistrust::Linked));
        }
        let mut contents = Vec::new();
        // It may grow meanwhile; so the reading is bounded, not the size.
        let read = File::from(file).take(MAX_BYTES.saturating_add(1)).read_to_end(&mut contents);
        let length = read.map_err(|source| unreadable(&self.path, source))?;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if length > MAX_BYTES {
            let found = u64::try_from(inspected.st_size).unwrap_or(u64::MAX).max(length);
            return Err(untrusted(&self.path, Mistrust::TooLarge { found }));
        }
        Ok(Some(contents))
    }

    fn open(&self, name: &OsStr, flags: OFlags) -> Result<Option<OwnedFd>, ConfigError> {
        match open(&self.folder, name, flags) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(unreadable(&self.path, errno.into())),
        }
    }

    fn trust(&mut self, folder: &Stat) {
        if self.mistrusted.is_none() {
            self.mistrusted = check_owner_and_mode(folder, &self.path).err();
        }
    }
}

fn open(folder: impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn check_type(inspected: &Stat, path: &Path) -> Result<(), ConfigError> {
    match FileType::from_raw_mode(inspected.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(untrusted(path, Mistrust::SymbolicLink)),
        _ => Err(untrusted(path, Mistrust::NotRegular)),
    }
}

fn check_owner_and_mode(inspected: &Stat, path: &Path) -> Result<(), ConfigError> {
    let owner = inspected.st_uid;
    if owner != 0 && owner != geteuid().as_raw() {
        return Err(untrusted(path, Mistrust::Owner { found: owner }));
    }
    let found = inspected.st_mode & PERMISSIONS;
    if found & WRITABLE_BY_OTHERS != 0 {
        return Err(untrusted(path, Mistrust::Writable { found }));
    }
    Ok(())
}

fn inspect(fd: &OwnedFd, path: &Path) -> Result<Stat, ConfigError> {
    fstat(fd).map_err(|errno| unreadable(path, errno.into()))
}

fn untrusted(path: &Path, mistrust: Mistrust) -> ConfigError {
    ConfigError::Untrusted { path: path.to_owned(), mistrust }
}

fn unreadable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), source }
}
