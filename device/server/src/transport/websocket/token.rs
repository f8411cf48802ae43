//! The secret that a client shows before it may open a WebSocket.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use device_key_private_fs::trusted::{
    Mistrust, OPEN_TO_OTHERS, PathRule, ROOT, TrustError, TrustPolicy,
};
use rustix::process::geteuid;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The fewest bytes. 256 bits, as 64 hexadecimal digits or 43 digits of base64, are well above
/// this.
const MIN_BYTES: usize = 32;
/// The most bytes, so that the header that carries the token stays small.
const MAX_BYTES: usize = 512;

/// A bearer token (RFC 6750) of 32 to 512 visible ASCII characters. It is wiped from memory on
/// drop, and `Debug` does not show it.
pub struct CapabilityToken(Zeroizing<Vec<u8>>);

/// Why a token file cannot be used. Programs match the variant or [`reason`](Self::reason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// There is no file under this name.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The name is a symbolic link, which may belong to anybody.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The name is a folder, a FIFO, a socket or a device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Another user could have written the file.
    #[error("{} belongs to user {found}, neither to user {expected} nor to root", path.display())]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// The owner's user id.
        found: u32,
        /// The user id of this process.
        expected: u32,
    },
    /// Other users may read or write the file. `chmod 600` fixes that.
    #[error("{} has mode {found:04o}, expected 0600", path.display())]
    WrongMode {
        /// The file.
        path: PathBuf,
        /// The file's permission bits.
        found: u32,
    },
    /// The file does not hold one line of 32 to 512 visible ASCII characters.
    #[error("{} does not hold one line of 32 to 512 visible ASCII characters", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl TokenFileError {
    /// A stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::SymbolicLink { .. } => "symbolic_link",
            Self::NotRegular { .. } => "not_regular",
            Self::WrongOwner { .. } => "wrong_owner",
            Self::WrongMode { .. } => "wrong_mode",
            Self::Malformed { .. } => "malformed",
            Self::Io { .. } => "io",
        }
    }
}

impl From<TrustError> for TokenFileError {
    fn from(error: TrustError) -> Self {
        let is_not_found = error.is_not_found();
        match error {
            TrustError::Untrusted { path, mistrust } => match mistrust {
                Mistrust::SymbolicLink => Self::SymbolicLink { path },
                Mistrust::NotRegular | Mistrust::Linked => Self::NotRegular { path },
                Mistrust::Owner { found } => {
                    Self::WrongOwner { path, found, expected: geteuid().as_raw() }
                }
                Mistrust::Mode { found } => Self::WrongMode { path, found },
                Mistrust::TooLarge { .. } => Self::Malformed { path },
            },
            TrustError::Io { path, .. } if is_not_found => Self::NotFound { path },
            TrustError::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl CapabilityToken {
    /// Reads a token from a file that only root or this process's user could have written and that
    /// no other user can read. One line feed at the end is not part of the token.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: OPEN_TO_OTHERS };
        let contents = policy.read(path, PathRule::RegularFile, MAX_BYTES + "\n".len())?;
        let mut contents = Zeroizing::new(contents);
        if contents.last() == Some(&b'\n') {
            contents.pop();
        }
        let is_well_formed = (MIN_BYTES..=MAX_BYTES).contains(&contents.len())
            && contents.iter().all(u8::is_ascii_graphic);
        if is_well_formed {
            Ok(Self(contents))
        } else {
            Err(TokenFileError::Malformed { path: path.to_owned() })
        }
    }

    /// Whether this is the token. The time that the comparison takes tells only the token's length.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        self.0.as_slice().ct_eq(shown).into()
    }
}

impl fmt::Debug for CapabilityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapabilityToken(..)")
    }
}
