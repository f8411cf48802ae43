//! Secrets encrypted under one key of the service, for files that a stolen disk must not open.
//!
//! A [`WrappingKey`] is 32 bytes that somebody else keeps: a systemd credential, which a TPM may
//! seal. What it wraps opens only with the same key and in the same context, a text such as
//! `device-key-os/v1 dk_…` that says what the secret is for; a file that is renamed does not open.
//!
//! It protects a copy of the disk, nothing else: whoever runs as the service has the key as well,
//! and a key that lies on the same disk protects nothing. It says nothing about age: an old wrapped
//! secret put back in its place opens again.
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
mod key;

pub use credential::{CREDENTIAL_NAME, CredentialError};
pub use key::{UnwrapError, WrapError, WrappingKey, is_wrapped};
