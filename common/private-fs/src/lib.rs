//! Folders and files that only their owner can reach, opened by descriptor.
//!
//! A [`PrivateDir`] is opened once, checked by its descriptor (a folder, ours, `0700`), and
//! everything in it is reached from that descriptor by a [`FileName`], which cannot climb out.
//! Files are `0600` from the moment they exist, appear whole or not at all, and never replace
//! another; links, other owners and wider modes are refused, with what was found and what was
//! expected. A [`Lease`] is a locked file that says its holder is alive.
//!
//! It is not encryption, and it does not defend against root or programs of the user, who own the
//! files too. It neither repairs the modes it refuses nor wipes what it read; the caller wipes
//! secrets. It is Linux only (`O_PATH`, `renameat2`).
//!
//! ```
//! use device_key_private_fs::{FileName, PrivateDir, PrivateFsError};
//!
//! # let scratch = tempfile::tempdir()?;
//! let home = PrivateDir::open_or_create(&scratch.path().join("device-key"))?;
//! let keys = home.subdir(&"keys".parse()?)?;
//! let name: FileName = "dk_example.pem".parse()?;
//! keys.create_new(&name, b"sealed")?;
//! assert_eq!(keys.read(&name, 4096)?, b"sealed");
//! assert!(matches!(
//!     keys.create_new(&name, b"other"),
//!     Err(PrivateFsError::AlreadyExists { .. })
//! ));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod check;
mod claim;
mod dir;
mod error;
mod file;
mod lease;
mod name;
pub mod trusted;

#[cfg(test)]
mod child;

pub use dir::PrivateDir;
pub use error::{Operation, PrivateFsError};
pub use lease::{Lease, LeaseState};
pub use name::{FileName, InvalidFileName};
