use std::fmt;

use async_trait::async_trait;
use device_key_types::{AccountUserId, Sha256Digest};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) mod file;

/// Most bytes of an access token; those that hold signed claims have a few thousand.
const MAX_BYTES: usize = 8 * 1024;

/// Tells whose access token it is. Where accounts really live is not for us to know; the reference
/// implementation is [`AccountsFile`].
///
/// A token alone opens nothing here: without a device's proof it can ask for challenges, and list
/// and revoke the account's devices.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The account, or nothing for a token that is not good, or no longer.
    async fn account(
        &self,
        token: &AccessToken,
    ) -> Result<Option<AccountUserId>, AccountsUnavailable>;
}

/// An account's access token as a client shows it. It is wiped when dropped, and `Debug` hides it.
pub struct AccessToken(Zeroizing<Box<[u8]>>);

/// It cannot be told now whose token it is.
#[derive(Debug, Error)]
#[error("accounts cannot be looked up")]
pub struct AccountsUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl AccessToken {
    /// Keeps 1 to 8192 visible ASCII characters; others are no token (RFC 6750 section 2.1).
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
