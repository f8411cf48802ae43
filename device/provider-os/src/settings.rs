//! The settings of the provider.

use std::path::PathBuf;

use device_key_wrapping::WrappingKey;

/// How the OS keystore is used.
#[derive(Debug, Default)]
pub struct OsSettings {
    /// The configuration files that this service obeys, also those that do not exist: nobody but
    /// root and the service may be able to make or change them. Absolute, and free of symbolic
    /// links.
    pub configuration: Vec<PathBuf>,
    /// The key under which key files are encrypted. With a wrapping key, a plain file is refused.
    /// Without one, an encrypted file is refused.
    pub wrapping_key: Option<WrappingKey>,
}
