//! A public key that is parsed once and verifies many proofs.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use device_key_types::{InvalidPublicKey, InvalidSignature, PublicKey};

/// A device's public key, parsed and ready to verify. Keep it next to the key's registration.
///
/// Parsing decodes the point and checks it. A caller that keeps the parsed key pays for that once,
/// not in every verification. Cloning is cheap.
#[derive(Clone)]
pub struct ProofKey {
    public_key: PublicKey,
    verifier: ParsedPublicKey,
}

impl ProofKey {
    /// Parses a DER `SubjectPublicKeyInfo` (RFC 5480) of 91 bytes: the named curve P-256 and an
    /// uncompressed point that is on the curve. Each key has exactly one accepted encoding, and no
    /// bytes may follow it.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        PublicKey::from_spki_der(der).and_then(Self::try_from)
    }

    /// The public key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Verifies an ECDSA signature over SHA-256 of `message`. The signature is in strict DER
    /// (RFC 3279, section 2.2.3).
    pub(crate) fn verify(
        &self,
        message: &[u8],
        signature_der: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.verifier.verify_sig(message, signature_der).map_err(|_| InvalidSignature)
    }
}

impl TryFrom<PublicKey> for ProofKey {
    type Error = InvalidPublicKey;

    /// Fails only if the two cryptographic libraries disagree about which public keys are valid.
    fn try_from(public_key: PublicKey) -> Result<Self, InvalidPublicKey> {
        let verifier = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key.spki_der())
            .map_err(|_| InvalidPublicKey)?;
        Ok(Self { public_key, verifier })
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(P-256)")
    }
}
