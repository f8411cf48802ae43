//! A folder that only its owner can reach.

use std::{
    ffi::{OsStr, OsString},
    fs::canonicalize,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, fstat, fsync, mkdirat, openat, statat,
    },
    io::Errno,
};

use crate::{
    check::{DIRECTORY_MODE, check_directory},
    error::{Operation, PrivateFsError},
    name::FileName,
};

#[cfg(test)]
mod tests;

/// A folder of the effective user, mode `0700`, held open.
///
/// The checks speak of the descriptor (`fstat`), and everything inside is reached from it
/// (`openat` and its kin), so that renaming the folder or a folder above changes nothing. Clones
/// share the descriptor.
#[derive(Clone, Debug)]
pub struct PrivateDir {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

impl PrivateDir {
    /// Opens the folder, and creates it and the missing folders above it with mode `0700`.
    ///
    /// Links among the folders above are followed, once; the last component must not be one.
    /// Folders above that exist are not checked: whoever can write there can put another folder
    /// of ours in this place, but never one that is not ours.
    ///
    /// A umask never widens `0700` (mkdir(2): `mode & ~umask & 0777`). What it takes from the owner
    /// is given back by descriptor; only a umask that takes reading keeps a user other than root
    /// from opening what was created, which is reported as `EACCES`.
    ///
    /// Fails with `InvalidPath`, `SymbolicLink`, `NotDirectory`, `WrongOwner`, `WrongMode`, or `Io`
    /// (`EROFS` if the folder is there but cannot be written).
    pub fn open_or_create(path: &Path) -> Result<Self, PrivateFsError> {
        let (parent, name) = split(path)?;
        let (mut above, missing) = deepest_existing(parent)?;
        let mut fd = open_ancestor(&above)?;
        for component in missing {
            above.push(&component);
            fd = open_or_create_at(&fd, &component, &above)?;
        }
        let path = above.join(name);
        let fd = open_or_create_at(&fd, name, &path)?;
        Self::checked(fd, path)
    }

    /// Opens an existing folder; else as [`open_or_create`](Self::open_or_create), with `NotFound`.
    pub fn open(path: &Path) -> Result<Self, PrivateFsError> {
        let (parent, name) = split(path)?;
        let above = match canonicalize(parent) {
            Ok(above) => above,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(PrivateFsError::NotFound { path: path.to_owned() });
            }
            Err(source) => return Err(unresolved(parent, source)),
        };
        let path = above.join(name);
        let fd = open_at(&open_ancestor(&above)?, name, &path)?;
        Self::checked(fd, path)
    }

    /// Opens the folder of this name in this one, and creates it with mode `0700` if it is missing.
    ///
    /// Fails as [`open_or_create`](Self::open_or_create) does.
    pub fn subdir(&self, name: &FileName) -> Result<Self, PrivateFsError> {
        let path = self.path_of(name.as_str());
        let fd = open_or_create_at(&self.fd, name.as_str().as_ref(), &path)?;
        Self::checked(fd, path)
    }

    /// The absolute path at the time of opening, free of links.
    ///
    /// For messages, and for libraries that open by path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in this folder, of files and folders, sorted by their bytes.
    ///
    /// Names that are not a [`FileName`] are left out, because nothing here creates them: names
    /// that begin with a dot (files being written among them) and names that are not UTF-8.
    ///
    /// Fails with `Io`.
    pub fn list(&self) -> Result<Vec<FileName>, PrivateFsError> {
        let failed = |errno| PrivateFsError::io(Operation::List, self.path.clone())(errno);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().ok();
            names.extend(name.and_then(|name| name.parse::<FileName>().ok()));
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes created, renamed and removed names durable (fsync(2): the folder needs its own).
    pub(crate) fn sync(&self) -> Result<(), PrivateFsError> {
        fsync(&self.fd).map_err(PrivateFsError::io(Operation::Sync, self.path.clone()))
    }

    fn checked(fd: OwnedFd, path: PathBuf) -> Result<Self, PrivateFsError> {
        check_directory(&fd, &path)?;
        Ok(Self { fd: Arc::new(fd), path })
    }
}

/// For what is asked of the folder itself: its file system, or the folders above it. Reaching a
/// file through it would go around the checks.
impl AsFd for PrivateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The folder above and the last component.
fn split(path: &Path) -> Result<(&Path, &OsStr), PrivateFsError> {
    let invalid = || PrivateFsError::InvalidPath { path: path.to_owned() };
    let name = path.file_name().ok_or_else(invalid)?;
    let parent = path.parent().ok_or_else(invalid)?;
    Ok((or_working_directory(parent), name))
}

fn or_working_directory(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The part of `path` that exists, free of links, and the components still to be created.
fn deepest_existing(path: &Path) -> Result<(PathBuf, Vec<OsString>), PrivateFsError> {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        match canonicalize(existing) {
            Ok(canonical) => {
                missing.reverse();
                return Ok((canonical, missing));
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                let (parent, name) = split(existing)?;
                missing.push(name.to_owned());
                existing = parent;
            }
            Err(source) => return Err(unresolved(existing, source)),
        }
    }
}

fn unresolved(path: &Path, source: io::Error) -> PrivateFsError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::NotADirectory {
        return PrivateFsError::NotDirectory { path };
    }
    PrivateFsError::Io { operation: Operation::Resolve, path, source }
}

/// `O_PATH`: a folder above may be searchable for us and yet not readable.
fn open_ancestor(path: &Path) -> Result<OwnedFd, PrivateFsError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOTDIR => PrivateFsError::NotDirectory { path: path.to_owned() },
        other => PrivateFsError::io(Operation::Open, path.to_owned())(other),
    })
}

fn open_or_create_at(
    parent: &OwnedFd,
    name: &OsStr,
    path: &Path,
) -> Result<OwnedFd, PrivateFsError> {
    match open_at(parent, name, path) {
        Err(PrivateFsError::NotFound { .. }) => {}
        other => return other,
    }
    match mkdirat(parent, name, Mode::from_raw_mode(DIRECTORY_MODE)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return open_at(parent, name, path),
        Err(errno) => return Err(PrivateFsError::io(Operation::Create, path.to_owned())(errno)),
    }
    let fd = open_at(parent, name, path)?;
    let stat = fstat(&fd).map_err(PrivateFsError::io(Operation::Inspect, path.to_owned()))?;
    if stat.st_mode & DIRECTORY_MODE != DIRECTORY_MODE {
        fchmod(&fd, Mode::from_raw_mode(DIRECTORY_MODE))
            .map_err(PrivateFsError::io(Operation::SetMode, path.to_owned()))?;
    }
    fsync(&fd).map_err(PrivateFsError::io(Operation::Sync, path.to_owned()))?;
    sync_parent(parent, path)?;
    Ok(fd)
}

fn open_at(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, PrivateFsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => PrivateFsError::NotFound { path: path.to_owned() },
        // Linux says ENOTDIR of a link as well, because O_DIRECTORY looks at the link itself.
        Errno::NOTDIR | Errno::LOOP if is_link(parent, name) => {
            PrivateFsError::SymbolicLink { path: path.to_owned() }
        }
        Errno::NOTDIR => PrivateFsError::NotDirectory { path: path.to_owned() },
        other => PrivateFsError::io(Operation::Open, path.to_owned())(other),
    })
}

/// Only chooses the words of a refusal that has already happened.
fn is_link(parent: &OwnedFd, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Makes the new folder's name durable, unless the folder above may not be read by us: then there
/// is no descriptor to sync, and the file system keeps its own order.
fn sync_parent(parent: &OwnedFd, path: &Path) -> Result<(), PrivateFsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(parent, ".", flags, Mode::empty()) {
        Ok(fd) => fsync(&fd),
        Err(Errno::ACCESS) => Ok(()),
        Err(errno) => Err(errno),
    }
    .map_err(PrivateFsError::io(Operation::Sync, path.to_owned()))
}
