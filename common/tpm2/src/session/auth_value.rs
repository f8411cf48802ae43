//! The secret that authorizes the use of a key (`authValue`).

use std::fmt;

use zeroize::Zeroizing;

use crate::constants::SHA256_SIZE;
use crate::marshal::MarshalError;

/// An authorization value of at most 32 bytes, wiped on drop. It never travels in the clear: it keys the
/// session's HMAC, and is encrypted where a create command sets it.
#[derive(Clone)]
pub struct AuthValue(Zeroizing<Vec<u8>>);

impl AuthValue {
    /// The empty value: whoever can reach the key may use it.
    pub fn empty() -> Self {
        Self(Zeroizing::new(Vec::new()))
    }

    /// Whether it is the empty value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for AuthValue {
    type Error = MarshalError;

    /// Takes the bytes without the zeros at their end, which a TPM drops on its side too (Part 1, section
    /// "Authorization Values"). While session key and value fit into one HMAC block the HMAC's own padding
    /// hides the difference; the one spelling does not rely on that.
    fn try_from(bytes: &[u8]) -> Result<Self, MarshalError> {
        if bytes.len() > SHA256_SIZE {
            return Err(MarshalError::TooLong {
                field: "authValue",
                size: bytes.len(),
                limit: SHA256_SIZE,
            });
        }
        let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let kept = bytes.get(..length).unwrap_or_default();
        Ok(Self(Zeroizing::new(kept.to_vec())))
    }
}

impl fmt::Debug for AuthValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthValue(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_do_not_count() {
        let value = |bytes: &[u8]| AuthValue::try_from(bytes).unwrap().as_bytes().to_vec();
        assert_eq!(value(&[1, 0, 2, 0, 0]), [1, 0, 2]);
        assert_eq!(value(&[0, 0]), [0u8; 0]);
        assert_eq!(value(&[]), [0u8; 0]);
        assert_eq!(value(&[9; 32]), [9; 32]);
        assert!(AuthValue::try_from(&[9; 33][..]).is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        let value = AuthValue::try_from(&b"hunter2"[..]).unwrap();
        assert_eq!(format!("{value:?}"), "AuthValue(..)");
    }
}
