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

/// Some ten thousand accounts; every look-up goes through all of them.
const MAX_BYTES: usize = 1024 * 1024;

/// Accounts from a text: a line for each access token, with SHA-256 of the token as 64 lower-case
/// hexadecimal digits, one space, and the account. Empty lines and lines that begin with `#` say
/// nothing. `printf %s TOKEN | sha256sum` gives the digits.
///
/// Tokens must be random: a digest of a password is as good as the password.
pub struct AccountsFile(Vec<([u8; 32], AccountUserId)>);

/// Why a file of accounts cannot be used. Programs match the variant or [`reason`](Self::reason).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountsFileError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Somebody else could have written it, and so be any account.
    #[error("{} must belong to us or to root, and be writable by nobody else", path.display())]
    Untrusted {
        /// What was opened.
        path: PathBuf,
    },
    /// Longer than one mebibyte.
    #[error("{} is longer than 1 MiB", path.display())]
    TooLong {
        /// What was read.
        path: PathBuf,
    },
    /// Not UTF-8, or a line that is none of those described.
    #[error("line {0} is not 64 hexadecimal digits, a space and an account")]
    Malformed(usize),
    /// A digest that an earlier line has.
    #[error("line {0} has the token of an earlier one")]
    Repeated(usize),
}

impl AccountsFileError {
    /// A stable code.
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
    /// Reads a file that only we or root can have written.
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
    /// How long it takes tells neither where the token stands nor how much of one was right.
    async fn account(
        &self,
        token: &AccessToken,
    ) -> Result<Option<AccountUserId>, AccountsUnavailable> {
        let shown = token.sha256();
        // One past the last is nobody.
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
