//! Finds the account of an access token.

use std::fmt;

use async_trait::async_trait;
use device_key_types::{AccountUserId, Sha256Digest};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) mod file;

/// The most bytes of an access token. Tokens that hold signed claims have a few thousand bytes.
const MAX_BYTES: usize = 8 * 1024;

/// Finds the account of an access token. A deployment implements this trait for its own accounts;
/// [`AccountsFile`](file::AccountsFile) is the reference implementation.
///
/// A token alone opens no connection. Without a device's proof a token can only ask for challenges,
/// and list and revoke the account's devices.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Returns the account, or `None` if the token is not valid or no longer valid.
    async fn account(
        &self,
        token: &AccessToken,
    ) -> Result<Option<AccountUserId>, AccountsUnavailable>;
}

/// An account's access token as a client sends it. The token is wiped when it is dropped, and
/// `Debug` hides it.
pub struct AccessToken(Zeroizing<Box<[u8]>>);

/// The accounts cannot be looked up at the moment.
#[derive(Debug, Error)]
#[error("accounts cannot be looked up at the moment")]
pub struct AccountsUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl AccessToken {
    /// Accepts 1 to 8192 visible ASCII characters. Other bytes are not a token (RFC 6750, section
    /// 2.1).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let is_token =
            (1..=MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        is_token.then(|| Self(Zeroizing::new(bytes.into())))
    }

    /// The token's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the token.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}
