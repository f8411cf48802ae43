//! What an open descriptor must be before it is used.
//!
//! The order is fixed, type, owner, mode, links: the first failure names the gravest difference.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Access, AtFlags, FileType, Stat, accessat, fstat},
    process::geteuid,
};

use crate::error::{Operation, PrivateFsError};

/// `0700`: what a private folder is created with.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;
/// `0600`: what a private file is created with.
pub(crate) const FILE_MODE: u32 = 0o600;

const PERMISSIONS: u32 = 0o7777;
const GROUP_AND_OTHERS: u32 = 0o077;

/// A folder, ours, closed to everyone else, in which we can create and find entries.
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

/// A regular file, ours, closed to everyone else, with this as its only name.
pub(crate) fn check_file(fd: &OwnedFd, path: &Path) -> Result<Stat, PrivateFsError> {
    let stat = check_file_of_any_links(fd, path)?;
    if stat.st_nlink != 1 {
        return Err(PrivateFsError::Linked { path: path.to_owned() });
    }
    Ok(stat)
}

/// As [`check_file`], for a name that is only going to be removed.
pub(crate) fn check_file_of_any_links(fd: impl AsFd, path: &Path) -> Result<Stat, PrivateFsError> {
    let stat = inspect(fd, path)?;
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
