//! The input of an attestation: a challenge that passed every check.

use std::fmt;

use device_key_types::Sha256Digest;
use device_key_types::attestation::{ActivatedSecret, Claim};
use device_key_types::payload::UnserializableError;

use crate::KeyReference;

/// The only input that a provider attests: a challenge that passed every check, and the one key
/// that may answer the challenge.
///
/// The fields are private, so only [`authorize_attestation`](crate::authorize_attestation) makes
/// this value. The TPM signs digests of canonical statements; no caller chooses its `extraData`.
pub struct AttestationInput {
    key: KeyReference,
    claim: Claim,
}

impl AttestationInput {
    /// Takes a claim about this key. Only `authorize_attestation` may call this.
    pub(crate) const fn from_authorized(key: KeyReference, claim: Claim) -> Self {
        Self { key, claim }
    }

    /// The key that is attested.
    pub const fn key(&self) -> &KeyReference {
        &self.key
    }

    /// The digest that the attestation key signs to show in which TPM it was made.
    pub fn identity_digest(&self) -> Result<Sha256Digest, UnserializableError> {
        self.claim.identity_digest()
    }

    /// The digest that the attestation key signs to certify the device key, once the TPM has given
    /// up this secret.
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
