//! The address of a TPM: a device file, or the Unix socket of a simulator.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use crate::transport::{Device, Transport, TransportError, UnixStream};

/// Longest path of a Unix socket in bytes: `sun_path` holds 108 bytes, with the final zero byte
/// (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// The address of a TPM, parsed from `/dev/…` or `unix:PATH`.
///
/// ```
/// # use device_key_tpm2::TpmAddress;
/// let address: TpmAddress = "/dev/tpmrm0".parse().unwrap();
/// assert_eq!(address.to_string(), "/dev/tpmrm0");
/// assert!("tpmrm0".parse::<TpmAddress>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TpmAddress {
    /// A character device of the Linux TPM driver: `/dev/tpmrm0` (shared through the kernel's
    /// resource manager) or `/dev/tpm0` (raw, open in one process at a time).
    Device(DevicePath),
    /// A stream socket that carries raw TPM commands. Only swtpm offers such a socket, so this is
    /// always a simulator. It has no resource manager and serves one client at a time.
    Unix(SocketPath),
}

/// An absolute path below `/dev`, without `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DevicePath(PathBuf);

/// An absolute path of at most 107 bytes, as a Unix socket needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// Why a text could not be parsed as a [`TpmAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text starts neither with `/dev/` nor with `unix:`.
    #[error("a TPM address is /dev/… or unix:PATH")]
    Scheme,
    /// The path is relative, or has an empty, `.` or `..` part, or contains a zero byte.
    #[error("the path of a TPM must be absolute and plain")]
    Path,
    /// The path is longer than the path of a Unix socket can be.
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
    /// The machine's own TPM: `/dev/tpmrm0`, through the kernel's resource manager, so that
    /// programs can share the TPM. Kernels before 4.12 have only `/dev/tpm0`, which is used if
    /// `/dev/tpmrm0` does not exist.
    pub fn of_this_machine() -> Self {
        let [shared, raw] = ["/dev/tpmrm0", "/dev/tpm0"].map(PathBuf::from);
        Self::Device(DevicePath(if raw.exists() && !shared.exists() { raw } else { shared }))
    }

    /// Opens a new connection to the TPM and waits for it until `deadline` at the latest. Sends
    /// nothing.
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
    fn an_address_displays_as_it_was_written() {
        for text in ["/dev/tpmrm0", "/dev/tpm0", "unix:/run/swtpm/sock"] {
            assert_eq!(text.parse::<TpmAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_not_addresses_are_refused() {
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
