//! Notices that a file or folder was replaced or removed while it is in use.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use device_key_private_fs::PrivateDir;

use crate::error::DatabaseError;

/// A path, and the device and inode to which it led when it was opened.
#[derive(Debug)]
pub(crate) struct Placement {
    path: PathBuf,
    identity: (u64, u64),
}

impl Placement {
    /// The placement of a file that was just opened by this path.
    pub(crate) fn of_file(path: PathBuf) -> Result<Self, DatabaseError> {
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Self { path, identity: identity(&metadata) }),
            Err(_) => Err(DatabaseError::Replaced { path }),
        }
    }

    /// The placement of an open folder.
    pub(crate) fn of_folder(folder: &PrivateDir) -> Result<Self, io::Error> {
        let metadata = File::from(folder.as_fd().try_clone_to_owned()?).metadata()?;
        Ok(Self { path: folder.path().to_owned(), identity: identity(&metadata) })
    }

    /// Fails if the path leads elsewhere now. Whoever opens the path would then not see what this
    /// process writes.
    pub(crate) fn check(&self) -> Result<(), DatabaseError> {
        let is_same = |now: Metadata| identity(&now) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_same) {
            Ok(())
        } else {
            Err(DatabaseError::Replaced { path: self.path.clone() })
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
