use std::path::PathBuf;

use device_key_wrapping::WrappingKey;

/// How the OS keystore is used.
#[derive(Debug, Default)]
pub struct OsSettings {
    /// The configuration files that this service obeys, also those that do not exist: nobody but root
    /// and the service may be able to make or change them. Absolute, and free of symbolic links.
    pub configuration: Vec<PathBuf>,
    /// Under which key files are encrypted. With it, a file that is not encrypted is refused, and
    /// without it one that is.
    pub wrapping_key: Option<WrappingKey>,
}
