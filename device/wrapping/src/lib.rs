//! Encrypts secrets under a wrapping key, so that a stolen disk does not reveal them.
//!
//! A [`WrappingKey`] is 32 bytes that are stored apart from the secrets, for example in a systemd
//! credential, which a TPM may seal. A wrapped secret opens only with its key and in its context.
//! The context is a text such as `device-key-os/v1 dk_…` that says what the secret is for, so the
//! contents of a renamed file do not open.
//!
//! Wrapping protects only against someone who has a copy of the disk. A program that runs as the
//! service can read the wrapping key too, and a wrapping key on the same disk protects nothing.
//! Wrapping does not protect against old copies: an old wrapped secret that is put back opens
//! again.
//!
//! ```
//! use device_key_wrapping::WrappingKey;
//!
//! let key = WrappingKey::from_bytes([7; 32]);
//! let wrapped = key.wrap(b"device-key-example/v1 dk_1", b"secret")?;
//! assert_eq!(*key.unwrap(b"device-key-example/v1 dk_1", &wrapped)?, *b"secret");
//! assert!(key.unwrap(b"device-key-example/v1 dk_2", &wrapped).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod credential;
mod files;
mod key;

pub use credential::{CREDENTIAL_NAME, CredentialError};
pub use files::{RewrapError, WrappedCount, WrappedFiles};
pub use key::{UnwrapError, WrapError, WrappingKey, is_wrapped};
