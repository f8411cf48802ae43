//! The settings of the provider.

use std::path::PathBuf;

use device_key_wrapping::WrappingKey;

/// The settings of the OS keystore.
#[derive(Debug, Default)]
pub struct OsSettings {
    /// The configuration files that this service reads, including files that do not exist yet.
    /// Nobody but root and the service may be able to make or change these files. The paths must be
    /// absolute and free of symbolic links.
    pub configuration: Vec<PathBuf>,
    /// The key under which key files are encrypted. With a wrapping key, a plain file is refused.
    /// Without one, an encrypted file is refused.
    pub wrapping_key: Option<WrappingKey>,
}
