//! The digests of canonical JSON (RFC 8785) that a TPM signs for an attestation. The members below
//! are declared in the order in which RFC 8785 sorts them.

use base64ct::{Base64, Encoding as _};
use serde::Serialize;

use super::Challenge;
use crate::payload::{Statement, UnserializableError};
use crate::{
    AccountUserId, ChallengeId, ClientId, DeviceKeyId, Nonce, Origin, ProtectionClass, PublicKey,
    Sha256Digest, TargetPath, UnixTime,
};

/// The domain of the statement with which an attestation key shows in which TPM it was made.
pub const IDENTITY_DOMAIN: &str = "device-key-attestation-identity/v1";

/// The domain of the statement with which an attestation key certifies a device key.
pub const CERTIFICATION_DOMAIN: &str = "device-key-attestation/v1";

/// A challenge and the one key that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The backend's challenge.
    pub challenge: Challenge,
    /// The key's id.
    pub key_id: DeviceKeyId,
    /// The public key.
    pub public_key: PublicKey,
    /// The protection class that the client claims.
    pub protection_class: ProtectionClass,
}

impl Claim {
    /// `extraData` of the attestation key's own creation evidence: SHA-256 over the canonical JSON
    /// of [`IDENTITY_DOMAIN`], the challenge and the key.
    pub fn identity_digest(&self) -> Result<Sha256Digest, UnserializableError> {
        self.digest(IDENTITY_DOMAIN, None)
    }

    /// `extraData` of the certification of the device key: SHA-256 over the canonical JSON of
    /// [`CERTIFICATION_DOMAIN`], the challenge, the key and the digest of the secret that the TPM
    /// gave up for this challenge. Because the digest covers the secret, a certification that was
    /// made for another credential does not fit.
    pub fn certification_digest(
        &self,
        activated_secret: &Sha256Digest,
    ) -> Result<Sha256Digest, UnserializableError> {
        self.digest(CERTIFICATION_DOMAIN, Some(activated_secret))
    }

    fn digest(
        &self,
        domain: &'static str,
        activated_secret: Option<&Sha256Digest>,
    ) -> Result<Sha256Digest, UnserializableError> {
        let Challenge {
            nonce,
            challenge_id,
            target,
            account_user_id,
            client_id,
            challenge_expires_at,
        } = &self.challenge;
        let payload = Canonical {
            account_user_id,
            activated_secret_sha256: activated_secret,
            audience: Statement::Attestation.audience(),
            challenge_expires_at: *challenge_expires_at,
            challenge_id,
            client_id,
            key_id: self.key_id.to_string(),
            nonce,
            protection_class: self.protection_class,
            public_key_spki_der_base64: Base64::encode_string(self.public_key.spki_der()),
            target_origin: &target.origin,
            target_path: &target.path,
            r#type: Statement::Attestation.as_str(),
        };
        Ok(Sha256Digest::of(&serde_json::to_vec(&Attested { domain, payload })?))
    }
}

#[derive(Serialize)]
struct Attested<'a> {
    domain: &'static str,
    payload: Canonical<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Canonical<'a> {
    account_user_id: &'a AccountUserId,
    #[serde(rename = "activatedSecretSha256Base64url", skip_serializing_if = "Option::is_none")]
    activated_secret_sha256: Option<&'a Sha256Digest>,
    audience: &'static str,
    challenge_expires_at: UnixTime,
    challenge_id: &'a ChallengeId,
    client_id: &'a ClientId,
    key_id: String,
    nonce: &'a Nonce,
    protection_class: ProtectionClass,
    public_key_spki_der_base64: String,
    target_origin: &'a Origin,
    target_path: &'a TargetPath,
    r#type: &'static str,
}
