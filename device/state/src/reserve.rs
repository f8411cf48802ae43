//! Space on the disk that is kept for deletions, so that a full disk can be emptied.

use device_key_private_fs::{PrivateDir, PrivateFsError};
use tracing::{info, warn};

use crate::error::DatabaseError;
use crate::names::{RESERVE, file_name};

/// A deletion adds fifty thousand bytes to the log. A checkpoint then needs the pages that earlier
/// creations added to the log and not yet to the database, and the log is used again from its
/// beginning. The hundred creations between two checkpoints add less than two hundred thousand.
const SIZE: usize = 512 * 1024;

/// Keeps the space, if it is not kept already. Without it everything but deletions works as well.
pub(crate) fn keep(home: &PrivateDir) {
    match try_to_keep(home) {
        // Another process keeps the same space.
        Ok(())
        | Err(DatabaseError::Folder(
            PrivateFsError::AlreadyExists { .. } | PrivateFsError::Held { .. },
        )) => {}
        Err(error) => warn!(%error, "no space is reserved for deletions on a full disk"),
    }
}

/// Gives the space back to the file system. Returns whether there was any.
pub(crate) fn release(home: &PrivateDir) -> bool {
    let removed = file_name(RESERVE).and_then(|name| home.remove(&name));
    match &removed {
        Ok(true) => info!("the disk is full, and deletions get the space reserved for them"),
        Ok(false) => {}
        Err(error) => warn!(%error, "the space reserved for deletions cannot be used"),
    }
    removed.unwrap_or(false)
}

fn try_to_keep(home: &PrivateDir) -> Result<(), DatabaseError> {
    let name = file_name(RESERVE)?;
    if home.check_file_if_present(&name)? {
        return Ok(());
    }
    // A file system may store a file of zeros in no space at all.
    let mut contents = vec![0; SIZE];
    getrandom::fill(&mut contents).map_err(DatabaseError::NoRandom)?;
    Ok(home.create_new(&name, &contents)?)
}

#[cfg(test)]
mod tests;
