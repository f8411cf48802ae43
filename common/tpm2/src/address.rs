//! Where a TPM is: a device file, or the Unix socket of a simulator.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use crate::transport::{Device, Transport, TransportError, UnixStream};

/// Longest path of a Unix socket in bytes: `sun_path` holds 108 with its final zero (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// The address of a TPM, parsed from `/dev/…` or `unix:PATH`.
///
/// ```
/// # use device_key_tpm2::TpmAddress;
/// let address: TpmAddress = "/dev/tpmrm0".parse().unwrap();
/// assert_eq!(address.to_string(), "/dev/tpmrm0");
/// assert!("tpmrm0".parse::<TpmAddress>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TpmAddress {
    /// A character device of the Linux TPM driver: `/dev/tpmrm0` (shared through the kernel's resource
    /// manager) or `/dev/tpm0` (raw, one opener at a time).
    Device(DevicePath),
    /// A stream socket that carries raw TPM commands: swtpm, so always a simulator. There is no resource
    /// manager, and one client is served at a time.
    Unix(SocketPath),
}

/// An absolute path below `/dev`, without `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DevicePath(PathBuf);

/// An absolute path short enough for a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SocketPath(PathBuf);

impl DevicePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl SocketPath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Why a text is not a [`TpmAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither `/dev/…` nor `unix:…`.
    #[error("a TPM address is /dev/… or unix:PATH")]
    Scheme,
    /// A relative path, one with `.` or `..` parts, or one with a zero byte.
    #[error("the path of a TPM must be absolute and plain")]
    Path,
    /// Longer than a Unix socket's path can be.
    #[error("the path of a Unix socket has at most {MAX_SOCKET_PATH} bytes")]
    TooLong,
}

impl FromStr for TpmAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.len() > MAX_SOCKET_PATH {
                return Err(AddressError::TooLong);
            }
            plain_absolute(path).map(|path| Self::Unix(SocketPath(path)))
        } else if text.starts_with("/dev/") {
            plain_absolute(text).map(|path| Self::Device(DevicePath(path)))
        } else {
            Err(AddressError::Scheme)
        }
    }
}

impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "{}", path.0.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.0.display()),
        }
    }
}

impl TpmAddress {
    /// Opens a connection of our own, waiting for it until `deadline` at most. Sends nothing.
    pub fn connect(&self, deadline: Instant) -> Result<Box<dyn Transport>, TransportError> {
        Ok(match self {
            Self::Device(path) => Box::new(Device::open(path.as_path())?),
            Self::Unix(path) => Box::new(UnixStream::connect(path.as_path(), deadline)?),
        })
    }
}

fn plain_absolute(path: &str) -> Result<PathBuf, AddressError> {
    let rest = path.strip_prefix('/').ok_or(AddressError::Path)?;
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if rest.split('/').all(plain) { Ok(PathBuf::from(path)) } else { Err(AddressError::Path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for text in ["/dev/tpmrm0", "/dev/tpm0", "unix:/run/swtpm/sock"] {
            assert_eq!(text.parse::<TpmAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("tpmrm0", AddressError::Scheme),
            ("/tmp/tpm", AddressError::Scheme),
            ("tcp:127.0.0.1:2321", AddressError::Scheme),
            ("/dev/", AddressError::Path),
            ("/dev/../etc/passwd", AddressError::Path),
            ("/dev//tpm0", AddressError::Path),
            ("unix:", AddressError::Path),
            ("unix:sock", AddressError::Path),
            ("unix:/a\0b", AddressError::Path),
        ] {
            assert_eq!(text.parse::<TpmAddress>(), Err(error), "{text:?}");
        }
        let long = format!("unix:/{}", "a".repeat(MAX_SOCKET_PATH));
        assert_eq!(long.parse::<TpmAddress>(), Err(AddressError::TooLong));
    }
}
