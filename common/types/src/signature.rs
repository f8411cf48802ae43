//! ECDSA signatures.

use base64ct::{Base64, Encoding as _};
use p256::ecdsa;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ECDSA P-256 signature whose two scalars are in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(ecdsa::Signature);

/// The bytes are not a signature, or it does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid signature")]
pub struct InvalidSignature;

impl Signature {
    /// Reads r and s, each 32 bytes big-endian. Each must be at least 1 and less than the group
    /// order.
    pub fn from_scalars(r: [u8; 32], s: [u8; 32]) -> Result<Self, InvalidSignature> {
        ecdsa::Signature::from_scalars(r, s).map(Self).map_err(|_| InvalidSignature)
    }

    /// Reads the strict DER form that [`Self::to_der`] writes.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidSignature> {
        ecdsa::Signature::from_der(der).map(Self).map_err(|_| InvalidSignature)
    }

    /// The signature as DER `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3), at most 72 bytes.
    pub fn to_der(&self) -> Vec<u8> {
        self.0.to_der().as_bytes().to_vec()
    }

    pub(crate) fn as_ecdsa(&self) -> &ecdsa::Signature {
        &self.0
    }
}

/// Serialises the signature as standard base64 of its DER encoding.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(&self.to_der()))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let der = Base64::decode_vec(&String::deserialize(deserializer)?);
        Self::from_der(&der.map_err(D::Error::custom)?).map_err(D::Error::custom)
    }
}
