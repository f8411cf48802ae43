//! The names of the files and folders in the home.

use device_key_private_fs::{FileName, PrivateFsError};

pub(crate) const DATABASE: &str = "state.sqlite";
pub(crate) const WRITE_AHEAD_LOG: &str = "state.sqlite-wal";
pub(crate) const WRITE_AHEAD_INDEX: &str = "state.sqlite-shm";
pub(crate) const ROLLBACK_JOURNAL: &str = "state.sqlite-journal";

/// The file whose space is given to deletions when the disk is full.
pub(crate) const RESERVE: &str = "state.reserve";

/// The folder of all leases.
pub(crate) const LEASES: &str = "lock";
/// The lease of the process that prepares the database.
pub(crate) const PREPARING: &str = "state-preparing";

/// Parses a file name.
pub(crate) fn file_name(text: &str) -> Result<FileName, PrivateFsError> {
    text.parse().map_err(|_| PrivateFsError::InvalidPath { path: text.into() })
}
