use device_key_types::{
    AccountUserId, ChallengeId, ClientId, DeviceKeyId, Nonce, PublicKey, SessionId, Sha256Digest,
    UnixTime, attestation::Identity,
};

use super::error::RegistryError;

/// An enrollment that was asked for and not yet answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentChallenge {
    /// Its name.
    pub challenge_id: ChallengeId,
    /// What the statement must repeat.
    pub nonce: Nonce,
    /// Who asked.
    pub account_user_id: AccountUserId,
    /// For which client.
    pub client_id: ClientId,
    /// From then on there is no such challenge.
    pub expires_at: UnixTime,
}

/// What was accepted of an attestation whose second half is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunAttestation {
    /// The key that the TPM's identity was sent for.
    pub key_id: DeviceKeyId,
    /// Its public half.
    pub public_key: PublicKey,
    /// SHA-256 of the secret that only this TPM can open.
    pub credential_secret_sha256: Sha256Digest,
    /// The identity. It goes with the challenge: an endorsement key names a machine for good, so it is
    /// not kept longer than it is needed.
    pub identity: Identity,
}

impl BegunAttestation {
    /// The identity as the stores keep it.
    pub(crate) fn identity_json(&self) -> Result<String, RegistryError> {
        serde_json::to_string(&self.identity)
            .map_err(|error| RegistryError::Unavailable(error.into()))
    }
}

/// An enrollment challenge, with what has been attested meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEnrollment {
    /// What was asked.
    pub challenge: EnrollmentChallenge,
    /// The first half of an attestation, if there was one.
    pub attestation: Option<BegunAttestation>,
}

/// A connection token that was given out and not yet used. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionChallenge {
    /// SHA-256 of the token.
    pub token_sha256: Sha256Digest,
    /// The session that the connection opens.
    pub session_id: SessionId,
    /// What the statement must repeat.
    pub nonce: Nonce,
    /// The key that must sign.
    pub key_id: DeviceKeyId,
    /// Whose device it is.
    pub account_user_id: AccountUserId,
    /// The client that the device was enrolled for.
    pub client_id: ClientId,
    /// From then on the token is good for nothing.
    pub expires_at: UnixTime,
}
