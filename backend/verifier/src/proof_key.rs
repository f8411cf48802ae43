use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use device_key_types::{InvalidPublicKey, InvalidSignature, PublicKey};

/// A device's public key, ready to verify: parsed once, to be kept beside the key's registration.
///
/// Parsing costs about as much as decoding and checking a point does; a verification with a key
/// that is kept pays none of it again. Cloning is cheap.
#[derive(Clone)]
pub struct ProofKey {
    public_key: PublicKey,
    verifier: ParsedPublicKey,
}

impl ProofKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5480) of 91 bytes. Named curve P-256, uncompressed
    /// point, a point on the curve, nothing behind it: each key has one accepted spelling.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        PublicKey::from_spki_der(der).and_then(Self::try_from)
    }

    /// The key as a value.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Verifies ECDSA over SHA-256 of `message`, with the signature in strict DER
    /// (RFC 3279 section 2.2.3).
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

    /// Fails only if the two libraries behind this disagree about what a public key is.
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
