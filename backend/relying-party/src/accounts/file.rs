//! The accounts of a file that lists the digest of each access token.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, io};

use async_trait::async_trait;
use device_key_private_fs::trusted::{
    Mistrust, PathRule, ROOT, TrustError, TrustPolicy, WRITABLE_BY_OTHERS,
};
use device_key_types::AccountUserId;
use rustix::process::geteuid;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use thiserror::Error;

use super::{AccessToken, Accounts, AccountsUnavailable};

/// The longest file of accounts. It has room for about ten thousand accounts. Every look-up reads
/// all of them.
const MAX_BYTES: usize = 1024 * 1024;

/// Accounts that are read from a text. The text has a line for each access token: SHA-256 of the
/// token as 64 lower-case hexadecimal digits, one space, and the account. Empty lines and lines
/// that begin with `#` are ignored. `printf %s TOKEN | sha256sum` prints the digits.
///
/// Tokens must be random, because a password could be guessed from its digest.
pub struct AccountsFile(Vec<([u8; 32], AccountUserId)>);

/// Why a file of accounts cannot be used. Programs match the variant or [`reason`](Self::reason).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountsFileError {
    /// The file cannot be read, or it is not UTF-8.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file, or a folder above it.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Another user could have written the file, and could then use any account.
    #[error("{} must belong to root or to the user of this process, and nobody else may write it", path.display())]
    Untrusted {
        /// The file, or a folder above it.
        path: PathBuf,
    },
    /// The file is longer than one mebibyte.
    #[error("{} is longer than 1 MiB", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line does not have the form that [`AccountsFile`] describes.
    #[error("line {0} is not 64 hexadecimal digits, a space and an account")]
    Malformed(usize),
    /// The line has the digest of an earlier line.
    #[error("line {0} has the token of an earlier line")]
    Repeated(usize),
}

impl AccountsFileError {
    /// The stable code of this kind of error.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Untrusted { .. } => "untrusted",
            Self::TooLong { .. } => "too_long",
            Self::Malformed(_) => "malformed",
            Self::Repeated(_) => "repeated",
        }
    }
}

impl AccountsFile {
    /// Reads a file that only root and the user of this process can have written.
    pub fn read(path: &Path) -> Result<Self, AccountsFileError> {
        let policy =
            TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: WRITABLE_BY_OTHERS };
        let contents = policy.read(path, PathRule::FollowLinks, MAX_BYTES)?;
        let text = String::from_utf8(contents).map_err(|error| AccountsFileError::Io {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        text.parse()
    }
}

impl From<TrustError> for AccountsFileError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Untrusted { path, mistrust: Mistrust::TooLarge { .. } } => {
                Self::TooLong { path }
            }
            TrustError::Untrusted { path, .. } => Self::Untrusted { path },
            TrustError::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl FromStr for AccountsFile {
    type Err = AccountsFileError;

    fn from_str(text: &str) -> Result<Self, AccountsFileError> {
        let mut accounts: Vec<([u8; 32], AccountUserId)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digits, account) =
                line.split_once(' ').ok_or(AccountsFileError::Malformed(number))?;
            let digest = digest(digits).ok_or(AccountsFileError::Malformed(number))?;
            let account = account.parse().map_err(|_| AccountsFileError::Malformed(number))?;
            if accounts.iter().any(|(known, _)| *known == digest) {
                return Err(AccountsFileError::Repeated(number));
            }
            accounts.push((digest, account));
        }
        Ok(Self(accounts))
    }
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let is_plain = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
    if digits.len() != 64 || !digits.as_bytes().iter().all(is_plain) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[async_trait]
impl Accounts for AccountsFile {
    /// Finds the account in a time that shows neither the line of the token nor how many bytes of a
    /// wrong token were right.
    async fn account(
        &self,
        token: &AccessToken,
    ) -> Result<Option<AccountUserId>, AccountsUnavailable> {
        let shown = token.sha256();
        // This index stands for no account.
        let mut found = u64::MAX;
        for (place, (digest, _)) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&place, digest.ct_eq(shown.as_bytes()));
        }
        let found = usize::try_from(found).ok().and_then(|place| self.0.get(place));
        Ok(found.map(|(_, account)| account.clone()))
    }
}

impl fmt::Debug for AccountsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountsFile(..)")
    }
}

#[cfg(test)]
mod tests;
