//! P-256 public keys.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InvalidSignature, Signature};

/// A P-256 public key: a point on the curve that is not the point at infinity.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    spki_der: Box<[u8]>,
}

/// The bytes are not a P-256 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 public key")]
pub struct InvalidPublicKey;

impl PublicKey {
    /// Reads affine coordinates, each 32 bytes big-endian, and checks that the point is on the
    /// curve.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, InvalidPublicKey> {
        // SEC 1 section 2.3.3: 0x04 marks an uncompressed point.
        let point: Vec<u8> = [4].iter().chain(x).chain(y).copied().collect();
        Self::from_key(VerifyingKey::from_sec1_bytes(&point).map_err(|_| InvalidPublicKey)?)
    }

    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5480). The bytes must be exactly those that
    /// [`Self::spki_der`] writes: a named curve, an uncompressed point, and no bytes behind it.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        VerifyingKey::from_public_key_der(der)
            .map_err(|_| InvalidPublicKey)
            .and_then(Self::from_key)
            .and_then(|key| if key.spki_der() == der { Ok(key) } else { Err(InvalidPublicKey) })
    }

    fn from_key(key: VerifyingKey) -> Result<Self, InvalidPublicKey> {
        let document = key.to_public_key_der().map_err(|_| InvalidPublicKey)?;
        Ok(Self { key, spki_der: document.as_bytes().into() })
    }

    /// The key as DER `SubjectPublicKeyInfo`, 91 bytes.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Verifies an ECDSA signature over SHA-256 of `message` (FIPS 186-5 section 6.4.2).
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        self.key.verify(message, signature.as_ecdsa()).map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(P-256)")
    }
}

/// Serialises the key as standard base64 of its DER encoding.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(self.spki_der()))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let der = Base64::decode_vec(&String::deserialize(deserializer)?);
        Self::from_spki_der(&der.map_err(D::Error::custom)?).map_err(D::Error::custom)
    }
}
