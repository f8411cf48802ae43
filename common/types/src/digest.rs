//! SHA-256 digests.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::Digest as _;

use crate::{Reason, encoding};

/// A SHA-256 digest of 32 bytes. The text form is 43 characters of unpadded base64url. `Debug`
/// hides the digest, because the digest of a token identifies the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// Hashes `message` (FIPS 180-4).
    pub fn of(message: &[u8]) -> Self {
        Self(sha2::Sha256::digest(message).into())
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Sha256Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256Digest {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        encoding::array_from_base64url(text).map(Self).ok_or(Reason::InvalidDigest)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::to_base64url(&self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256Digest(…)")
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encoding::to_base64url(&self.0))
    }
}
