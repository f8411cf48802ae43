//! The token that opens a connection.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::Sha256Digest;
use zeroize::Zeroizing;

const BYTES: usize = 32;
const CHARACTERS: usize = 43;

/// The token with which a client opens one connection: 32 random bytes as 43 characters of unpadded
/// base64url. The token is wiped when it is dropped, and `Debug` hides it.
#[derive(Clone)]
pub struct ConnectionToken(Zeroizing<String>);

impl ConnectionToken {
    pub(crate) fn from_random_bytes(bytes: [u8; BYTES]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes)))
    }

    /// Parses a token. Each token has only one accepted encoding.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() == CHARACTERS)?;
        let mut decoded = Zeroizing::new([0; BYTES]);
        Base64UrlUnpadded::decode(text, &mut *decoded).ok()?;
        Some(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token's text. Only the client may receive it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text. The client's key signs this digest.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_encoding() {
        let token = ConnectionToken::from_random_bytes([0xff; 32]);
        assert_eq!(token.as_str(), format!("{}8", "_".repeat(42)));
        let read = ConnectionToken::from_bytes(token.as_str().as_bytes()).unwrap();
        assert_eq!(read.sha256(), token.sha256());
        let wrong = [
            String::new(),
            "_".repeat(42),
            "_".repeat(43),
            format!("{}8=", "_".repeat(42)),
            format!("{}/8", "_".repeat(41)),
            format!(" {}", "_".repeat(42)),
        ];
        for text in wrong {
            assert!(ConnectionToken::from_bytes(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(format!("{token:?}"), "ConnectionToken(..)");
    }
}
