//! The checks that an opened file or folder must pass before it is used.
//!
//! The checks run in a fixed order: type, owner, mode, links. The graver faults come first, so the
//! error names the gravest fault of the file or folder.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType, Stat, accessat, fstat};
use rustix::process::geteuid;

use crate::error::{Operation, PrivateFsError};

/// The mode of a private folder, `0700`.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;
/// The mode of a private file, `0600`.
pub(crate) const FILE_MODE: u32 = 0o600;

const PERMISSIONS: u32 = 0o7777;
const GROUP_AND_OTHERS: u32 = 0o077;

/// Checks that `fd` is a folder of the effective user, that nobody else can reach it, and that this
/// process can create and find entries in it.
pub(crate) fn check_directory(fd: &OwnedFd, path: &Path) -> Result<(), PrivateFsError> {
    let stat = inspect(fd, path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(PrivateFsError::NotDirectory { path: path.to_owned() });
    }
    check_owner(&stat, path)?;
    let found = stat.st_mode & PERMISSIONS;
    if found & GROUP_AND_OTHERS != 0 || found & DIRECTORY_MODE != DIRECTORY_MODE {
        return Err(PrivateFsError::WrongMode {
            path: path.to_owned(),
            found,
            expected: DIRECTORY_MODE,
        });
    }
    // The mode does not show a read-only mount: access(2) answers EROFS for W_OK.
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    accessat(fd, ".", needed, AtFlags::EACCESS)
        .map_err(PrivateFsError::io(Operation::Access, path.to_owned()))
}

/// Checks that `fd` is a regular file of the effective user, that nobody else can reach it, and
/// that it has only this one name.
pub(crate) fn check_file(fd: &OwnedFd, path: &Path) -> Result<Stat, PrivateFsError> {
    let stat = check_removable_file(fd, path)?;
    if stat.st_nlink != 1 {
        return Err(PrivateFsError::Linked { path: path.to_owned() });
    }
    Ok(stat)
}

/// Checks as [`check_file`] does, but allows further hard links. Use it for a name that is about to
/// be removed.
///
/// A file without any name was removed after it was opened. It is `NotFound`, whatever else the
/// file was, because a fault of a file that is gone concerns nobody.
pub(crate) fn check_removable_file(fd: impl AsFd, path: &Path) -> Result<Stat, PrivateFsError> {
    let stat = inspect(fd, path)?;
    if stat.st_nlink == 0 {
        return Err(PrivateFsError::NotFound { path: path.to_owned() });
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(PrivateFsError::SymbolicLink { path: path.to_owned() }),
        _ => return Err(PrivateFsError::NotRegular { path: path.to_owned() }),
    }
    check_owner(&stat, path)?;
    let found = stat.st_mode & PERMISSIONS;
    if found & GROUP_AND_OTHERS != 0 {
        return Err(PrivateFsError::WrongMode {
            path: path.to_owned(),
            found,
            expected: FILE_MODE,
        });
    }
    Ok(stat)
}

fn inspect(fd: impl AsFd, path: &Path) -> Result<Stat, PrivateFsError> {
    fstat(fd).map_err(PrivateFsError::io(Operation::Inspect, path.to_owned()))
}

fn check_owner(stat: &Stat, path: &Path) -> Result<(), PrivateFsError> {
    let expected = geteuid().as_raw();
    if stat.st_uid == expected {
        return Ok(());
    }
    Err(PrivateFsError::WrongOwner { path: path.to_owned(), found: stat.st_uid, expected })
}
