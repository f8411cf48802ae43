//! The challenges that a store keeps until they are answered.

use device_key_types::attestation::Identity;
use device_key_types::{
    AccountUserId, ChallengeId, ClientId, DeviceKeyId, Nonce, PublicKey, SessionId, Sha256Digest,
    UnixTime,
};

use super::error::RegistryError;

/// An enrollment challenge that has not been answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentChallenge {
    /// The id of the challenge.
    pub challenge_id: ChallengeId,
    /// The nonce that the statement must repeat.
    pub nonce: Nonce,
    /// The account that asked for the challenge.
    pub account_user_id: AccountUserId,
    /// The client that the device is enrolled for.
    pub client_id: ClientId,
    /// The second from which on the challenge cannot be answered.
    pub expires_at: UnixTime,
}

/// The first half of an attestation, which was accepted. The second half is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunAttestation {
    /// The id of the key that the client sent the identity for.
    pub key_id: DeviceKeyId,
    /// The public key.
    pub public_key: PublicKey,
    /// SHA-256 of the secret that only this TPM can open.
    pub credential_secret_sha256: Sha256Digest,
    /// The identity of the TPM. It is deleted together with the challenge, because an endorsement
    /// key identifies a machine permanently.
    pub identity: Identity,
}

impl BegunAttestation {
    /// Returns the identity as JSON, which is the form in the stores.
    pub(crate) fn identity_json(&self) -> Result<String, RegistryError> {
        serde_json::to_string(&self.identity)
            .map_err(|error| RegistryError::Unavailable(error.into()))
    }
}

/// An enrollment challenge, and the attestation that was begun for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEnrollment {
    /// The challenge.
    pub challenge: EnrollmentChallenge,
    /// The first half of an attestation, if the client has begun an attestation.
    pub attestation: Option<BegunAttestation>,
}

/// The challenge of a connection token that has not been used yet. The token itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionChallenge {
    /// SHA-256 of the token.
    pub token_sha256: Sha256Digest,
    /// The session that the connection opens.
    pub session_id: SessionId,
    /// The nonce that the statement must repeat.
    pub nonce: Nonce,
    /// The id of the key that must sign.
    pub key_id: DeviceKeyId,
    /// The account of the device.
    pub account_user_id: AccountUserId,
    /// The client that the device was enrolled for.
    pub client_id: ClientId,
    /// The second from which on the token cannot be used.
    pub expires_at: UnixTime,
}
