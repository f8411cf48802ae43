use std::fmt;

use device_key_types::{
    Sha256Digest,
    attestation::{ActivatedSecret, Claim},
    payload::UnserializableError,
};

use crate::KeyReference;

/// The only thing that a provider attests: a challenge that passed every check, and the one key that it
/// may be answered with.
///
/// The fields are private, and [`authorize_attestation`](crate::authorize_attestation) alone makes one.
/// What a TPM signs for it are digests of canonical statements; nobody chooses its `extraData`.
pub struct AttestationInput {
    key: KeyReference,
    claim: Claim,
}

impl AttestationInput {
    /// Takes a claim about this key. For `authorize_attestation` alone.
    pub(crate) const fn from_authorized(key: KeyReference, claim: Claim) -> Self {
        Self { key, claim }
    }

    /// The key that is attested.
    pub const fn key(&self) -> &KeyReference {
        &self.key
    }

    /// What the attestation key signs to show where it was made.
    pub fn identity_digest(&self) -> Result<Sha256Digest, UnserializableError> {
        self.claim.identity_digest()
    }

    /// What the attestation key signs to certify the device key, once it has this secret.
    pub fn certification_digest(
        &self,
        secret: &ActivatedSecret,
    ) -> Result<Sha256Digest, UnserializableError> {
        self.claim.certification_digest(&secret.sha256())
    }
}

impl fmt::Debug for AttestationInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationInput").field("key", &self.key).finish_non_exhaustive()
    }
}
