//! Attestation without a TPM.

use device_key::{AttestationInput, KeyAttestor, ProviderError, ProviderErrorKind};
use device_key_types::Sha256Digest;
use device_key_types::attestation::{
    ActivatedSecret, Activation, Credential, EndorsementKeyKind, Identity, TpmBytes,
};

/// Stands in for a platform that attests its keys. A TPM would sign its evidence; this evidence
/// holds the bare digest instead. The attestor opens the credentials that [`credential_for`] makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryAttestor;

/// Makes a credential for a key, which [`MemoryProvider`](crate::MemoryProvider) can open.
///
/// # Panics
/// Panics if the secret is too long for a credential.
pub fn credential_for(key_id: &device_key_types::DeviceKeyId, secret: &[u8]) -> Credential {
    Credential { blob: bytes(secret), encrypted_secret: bytes(key_id.to_string().as_bytes()) }
}

impl KeyAttestor for MemoryAttestor {
    fn identity(
        &self,
        input: &AttestationInput,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, ProviderError> {
        let digest = input.identity_digest().map_err(failed)?;
        Ok(Identity {
            endorsement_key: endorsement_key.unwrap_or(EndorsementKeyKind::EccP256),
            endorsement_key_public: bytes(b"endorsement key"),
            endorsement_key_certificates: vec![bytes(b"certificate")],
            attestation_key_public: bytes(b"attestation key"),
            attestation_key_creation_data: bytes(b"creation data"),
            attestation_key_creation_attest: digest_bytes(digest),
            attestation_key_creation_signature: bytes(b"signature"),
            key_public: bytes(input.key().public_key.spki_der()),
        })
    }

    fn activate(
        &self,
        input: &AttestationInput,
        credential: &Credential,
        _: Option<EndorsementKeyKind>,
    ) -> Result<Activation, ProviderError> {
        if *credential != credential_for(&input.key().key_id, credential.blob.as_bytes()) {
            let kind = ProviderErrorKind::CredentialNotActivated;
            return Err(ProviderError::new(kind, "a credential for another key"));
        }
        let secret = ActivatedSecret::from_bytes(credential.blob.as_bytes()).map_err(failed)?;
        let digest = input.certification_digest(&secret).map_err(failed)?;
        Ok(Activation { secret, attest: digest_bytes(digest), signature: bytes(b"signature") })
    }
}

fn digest_bytes(digest: Sha256Digest) -> TpmBytes {
    bytes(digest.as_bytes())
}

fn bytes(bytes: &[u8]) -> TpmBytes {
    bytes.to_vec().try_into().expect("as short as a TPM's")
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Failed, error)
}
