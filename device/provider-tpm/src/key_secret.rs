//! The secret of one key.

use std::fmt;

use device_key_tpm2::{AuthValue, Error as TpmError};
use device_key_types::{OsRandom, RandomSource as _};
use zeroize::Zeroizing;

/// The secret that a key asks for before it signs: 32 random bytes, wiped on drop.
///
/// The TPM takes an `authValue` of at most the size of the key's name algorithm, SHA-256 (Part 1,
/// section "Authorization Values").
pub(crate) struct KeySecret(Zeroizing<[u8; Self::BYTES]>);

impl KeySecret {
    pub(crate) const BYTES: usize = 32;

    pub(crate) fn generate() -> Result<Self, TpmError> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        OsRandom.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Returns `None` if there are not exactly 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; Self::BYTES]);
        if bytes.len() != own.len() {
            return None;
        }
        own.copy_from_slice(bytes);
        Some(Self(own))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(crate) fn auth_value(&self) -> Result<AuthValue, TpmError> {
        AuthValue::try_from(self.0.as_slice()).map_err(TpmError::Input)
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}
