//! The single-use numbers of backends.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{Reason, encoding};

const MIN_BYTES: usize = 32;
const MAX_BYTES: usize = 256;
/// The length of 256 bytes in base64url. Longer text is refused before it is decoded.
const MAX_CHARACTERS: usize = (MAX_BYTES * 4).div_ceil(3);

/// A backend's single-use number of 32 to 256 bytes. The text form is unpadded base64url. `Debug`
/// hides the number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(Box<[u8]>);

impl Nonce {
    /// The decoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        if text.len() > MAX_CHARACTERS {
            return Err(Reason::InvalidNonce);
        }
        encoding::vec_from_base64url(text)
            .filter(|bytes| (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()))
            .map(|bytes| Self(bytes.into()))
            .ok_or(Reason::InvalidNonce)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encoding::to_base64url(&self.0))
    }
}
