//! A folder that only its owner can reach.

use std::ffi::{OsStr, OsString};
use std::fs::canonicalize;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, fstat, fsync, mkdirat, openat, statat,
};
use rustix::io::Errno;

use crate::check::{DIRECTORY_MODE, check_directory};
use crate::error::{Operation, PrivateFsError};
use crate::name::FileName;

#[cfg(test)]
mod tests;

/// A folder of the effective user, mode `0700`, held open.
///
/// The checks are made on the descriptor (`fstat`), and everything inside is reached from the
/// descriptor (`openat` and similar calls). So renaming this folder or a folder above it changes
/// nothing. Clones share the descriptor.
#[derive(Clone, Debug)]
pub struct PrivateDir {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

impl PrivateDir {
    /// Opens the folder. Creates the folder and missing folders above it with mode `0700`.
    ///
    /// Links among the folders above are followed once, when the path is opened. The last component
    /// must not be a link. Existing folders above are not checked: whoever can write to them can
    /// put another folder of this user in this place, but never a folder of another user.
    ///
    /// A umask never widens `0700` (mkdir(2): `mode & ~umask & 0777`). Access that the umask takes
    /// from the owner is restored through the descriptor. The one exception is a umask that takes
    /// read access from the owner: a user other than root then cannot open the created folder, and
    /// the method fails with `EACCES`.
    ///
    /// Fails with `InvalidPath`, `SymbolicLink`, `NotDirectory`, `WrongOwner`, `WrongMode`, or `Io`
    /// (`EROFS` if the folder exists but cannot be written).
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

    /// Opens an existing folder. Fails with `NotFound` if it does not exist, and otherwise as
    /// [`open_or_create`](Self::open_or_create) does.
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

    /// Opens the folder of this name inside this folder. Creates it with mode `0700` if it is
    /// missing.
    ///
    /// Fails as [`open_or_create`](Self::open_or_create) does.
    pub fn subdir(&self, name: &FileName) -> Result<Self, PrivateFsError> {
        let path = self.path_of(name.as_str());
        let fd = open_or_create_at(&self.fd, name.as_str().as_ref(), &path)?;
        Self::checked(fd, path)
    }

    /// The absolute path at the time of opening, free of links.
    ///
    /// Use it in messages, and for libraries that open files by path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the names of the files and folders in this folder, sorted by their bytes.
    ///
    /// Names that are not a [`FileName`] are left out, because this crate does not create them:
    /// names that begin with a dot, such as those of files being written, and names that are not
    /// UTF-8.
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

    /// Makes created, renamed and removed names durable. Syncing a file does not sync its folder
    /// (fsync(2)).
    pub(crate) fn sync(&self) -> Result<(), PrivateFsError> {
        fsync(&self.fd).map_err(PrivateFsError::io(Operation::Sync, self.path.clone()))
    }

    fn checked(fd: OwnedFd, path: PathBuf) -> Result<Self, PrivateFsError> {
        check_directory(&fd, &path)?;
        Ok(Self { fd: Arc::new(fd), path })
    }
}

/// Gives the folder's descriptor to code that examines the folder itself, its file system or the
/// folders above it. A file that is opened through this descriptor is not checked.
impl AsFd for PrivateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Splits a path into the folder above and the last component.
fn split(path: &Path) -> Result<(&Path, &OsStr), PrivateFsError> {
    let invalid = || PrivateFsError::InvalidPath { path: path.to_owned() };
    let name = path.file_name().ok_or_else(invalid)?;
    let parent = path.parent().ok_or_else(invalid)?;
    Ok((or_working_directory(parent), name))
}

fn or_working_directory(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Returns the part of `path` that exists, free of links, and the components that are still to be
/// created.
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

/// Opens with `O_PATH`, because this process may be allowed to search a folder above but not to
/// read it.
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
        // Linux answers ENOTDIR for a link too, because O_DIRECTORY looks at the link itself.
        Errno::NOTDIR | Errno::LOOP if is_link(parent, name) => {
            PrivateFsError::SymbolicLink { path: path.to_owned() }
        }
        Errno::NOTDIR => PrivateFsError::NotDirectory { path: path.to_owned() },
        other => PrivateFsError::io(Operation::Open, path.to_owned())(other),
    })
}

/// Used only to choose the error of an open that has already failed.
fn is_link(parent: &OwnedFd, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Makes the new folder's name durable. If this process may not read the folder above, there is no
/// descriptor to sync, and the file system decides when the name becomes durable.
fn sync_parent(parent: &OwnedFd, path: &Path) -> Result<(), PrivateFsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(parent, ".", flags, Mode::empty()) {
        Ok(fd) => fsync(&fd),
        Err(Errno::ACCESS) => Ok(()),
        Err(errno) => Err(errno),
    }
    .map_err(PrivateFsError::io(Operation::Sync, path.to_owned()))
}
