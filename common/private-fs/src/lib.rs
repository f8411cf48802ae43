//! Folders and files that only their owner can reach, opened by descriptor.
//!
//! A [`PrivateDir`] is opened once and checked through its descriptor: it must be a folder of the
//! effective user with mode `0700`. Everything in it is reached from that descriptor by a
//! [`FileName`], which cannot lead out of the folder. Files have mode `0600` from the moment they
//! exist, appear whole or not at all, and never replace another file. Links, other owners and wider
//! modes are refused, and the error says what was found and what was expected. A [`Lease`] is a
//! locked file that shows that its holder is alive.
//!
//! This crate does not encrypt, and it does not defend against root or against other programs of
//! the user, which can read the files too. It does not repair the modes that it refuses, and it
//! does not wipe the contents that it read; the caller wipes secrets. It works on Linux only
//! (`O_PATH`, `renameat2`).
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
pub use error::{Operation, PrivateFsError, is_transient};
pub use lease::{Lease, LeaseState};
pub use name::{FileName, InvalidFileName};
