//! The secret that authorizes the use of a key (`authValue`).

use std::fmt;

use zeroize::Zeroizing;

use crate::constants::SHA256_SIZE;
use crate::marshal::MarshalError;

/// An authorization value of at most 32 bytes, which is wiped on drop. It is never sent
/// unencrypted: it is a key of the session's HMAC, and it is encrypted in the command that creates
/// a key.
#[derive(Clone)]
pub struct AuthValue(Zeroizing<Vec<u8>>);

impl AuthValue {
    /// The empty value. Whoever can reach a key with the empty value can use the key.
    pub fn empty() -> Self {
        Self(Zeroizing::new(Vec::new()))
    }

    /// Whether this is the empty value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for AuthValue {
    type Error = MarshalError;

    /// Takes the bytes without the zeros at their end, because a TPM drops these too (Part 1,
    /// section "Authorization Values"). As long as the session key and the value fit into one HMAC
    /// block, the padding of the HMAC hides the difference. Dropping the zeros here avoids relying
    /// on that.
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
    fn trailing_zeros_are_dropped() {
        let value = |bytes: &[u8]| AuthValue::try_from(bytes).unwrap().as_bytes().to_vec();
        assert_eq!(value(&[1, 0, 2, 0, 0]), [1, 0, 2]);
        assert_eq!(value(&[0, 0]), [0u8; 0]);
        assert_eq!(value(&[]), [0u8; 0]);
        assert_eq!(value(&[9; 32]), [9; 32]);
        assert!(AuthValue::try_from(&[9; 33][..]).is_err());
    }

    #[test]
    fn debug_does_not_show_the_value() {
        let value = AuthValue::try_from(&b"hunter2"[..]).unwrap();
        assert_eq!(format!("{value:?}"), "AuthValue(..)");
    }
}
