//! The secret that a client shows before it may open a WebSocket.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
    process::geteuid,
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The fewest bytes. 256 bits, as 64 hexadecimal digits or 43 digits of base64, are well above
/// this.
const MIN_BYTES: usize = 32;
/// The most bytes, so that the header that carries the token stays small.
const MAX_BYTES: usize = 512;
const PERMISSIONS: u32 = 0o7777;
const GROUP_AND_OTHERS: u32 = 0o077;
const ROOT: u32 = 0;

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

impl CapabilityToken {
    /// Reads a token from a file that only root or this process's user could have written and that
    /// no other user can read. One line feed at the end is not part of the token.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let file = open(path)?;
        let failed = |source| TokenFileError::Io { path: path.to_owned(), source };
        // The buffer has room for a line feed, and for one byte that shows that a token is too
        // long.
        let mut contents = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2));
        let limit = u64::try_from(MAX_BYTES + 2).unwrap_or(u64::MAX);
        File::from(file).take(limit).read_to_end(&mut contents).map_err(failed)?;
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

/// Opens the file, then checks the open file, so that nobody can replace it between the two steps.
/// `O_NONBLOCK` keeps a FIFO from delaying the start.
fn open(path: &Path) -> Result<OwnedFd, TokenFileError> {
    let path = || path.to_owned();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path(), flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => TokenFileError::NotFound { path: path() },
        Errno::LOOP => TokenFileError::SymbolicLink { path: path() },
        // The name is a socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV => TokenFileError::NotRegular { path: path() },
        errno => TokenFileError::Io { path: path(), source: errno.into() },
    })?;
    let stat =
        fstat(&file).map_err(|errno| TokenFileError::Io { path: path(), source: errno.into() })?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(TokenFileError::NotRegular { path: path() });
    }
    let expected = geteuid().as_raw();
    if stat.st_uid != expected && stat.st_uid != ROOT {
        return Err(TokenFileError::WrongOwner { path: path(), found: stat.st_uid, expected });
    }
    let found = stat.st_mode & PERMISSIONS;
    if found & GROUP_AND_OTHERS != 0 {
        return Err(TokenFileError::WrongMode { path: path(), found });
    }
    Ok(file)
}
