//! How a connection is opened: the challenge, and the verification of its answer.

use device_key_types::payload::{self, Statement};
use device_key_types::{AccountUserId, DeviceKeyId, Field};
use device_key_verifier::{Proof, ProofKey, verify_connection};

use super::RelyingParty;
use super::token::ConnectionToken;
use crate::error::RelyingPartyError;
use crate::open_connections::{CloseReason, ConnectionGuard};
use crate::registry::challenge::ConnectionChallenge;
use crate::registry::device::Device;

/// What a client needs to open a connection.
#[derive(Clone, Debug)]
pub struct ConnectionInvitation {
    /// The token that the client must send.
    pub token: ConnectionToken,
    /// The values that the connection statement must repeat.
    pub challenge: ConnectionChallenge,
    /// The endpoint that the connection statement must name.
    pub target: payload::Target,
}

/// What a client sends together with its token.
#[derive(Debug)]
pub struct ConnectionProof {
    /// The id of the key that signed.
    pub key_id: DeviceKeyId,
    /// The bytes that the key signed.
    pub signed_bytes: Vec<u8>,
    /// The signature, in DER.
    pub signature_der: Vec<u8>,
}

/// A connection that a device has opened. While this value lives, the device is checked for
/// revocation.
#[derive(Debug)]
pub struct OpenConnection {
    /// The device that opened the connection.
    pub device: Device,
    guard: ConnectionGuard,
}

impl OpenConnection {
    /// Waits until the connection must be closed, and returns why. The caller must close the
    /// connection without delay.
    pub async fn must_close(&mut self) -> CloseReason {
        self.guard.must_close().await
    }
}

impl RelyingParty {
    /// Issues a challenge for a connection of a device of this account.
    pub async fn invite_connection(
        &self,
        account: &AccountUserId,
        key_id: &DeviceKeyId,
    ) -> Result<ConnectionInvitation, RelyingPartyError> {
        let device = self.registry().device(key_id).await?;
        let device = device.filter(|device| device.account_user_id == *account);
        let device = enrolled(device)?;
        let limits = self.limits();
        let now = self.parts.clock.now();
        let token = ConnectionToken::from_random_bytes(self.random()?);
        let challenge = ConnectionChallenge {
            token_sha256: token.sha256(),
            session_id: self.random_id("wssess_")?,
            nonce: self.nonce()?,
            key_id: device.key_id,
            account_user_id: device.account_user_id,
            client_id: device.client_id,
            expires_at: now.saturating_add(limits.challenge_seconds.into()),
        };
        let at_most = limits.connections_per_account;
        self.registry().put_connection_challenge(&challenge, at_most, now).await?;
        let target = self.parts.backend.target(Statement::Connection).clone();
        Ok(ConnectionInvitation { token, challenge, target })
    }

    /// Verifies a proof and opens a connection.
    ///
    /// The token is used up before the proof is verified, so each token is tried only once.
    pub async fn open_connection(
        &self,
        token: &ConnectionToken,
        proof: &ConnectionProof,
    ) -> Result<OpenConnection, RelyingPartyError> {
        let now = self.parts.clock.now();
        let token_sha256 = token.sha256();
        let challenge = self.registry().take_connection_challenge(&token_sha256, now).await?;
        let challenge = challenge.ok_or(RelyingPartyError::TokenRefused)?;
        if proof.key_id != challenge.key_id {
            return Err(device_key_verifier::ProofError::Mismatch(Field::KeyId).into());
        }
        // The connection is added before the device is looked up, so a revocation that follows the
        // look-up finds the connection.
        let guard = self.connections.add(challenge.key_id);
        let device = enrolled(self.registry().device(&challenge.key_id).await?)?;
        let key =
            ProofKey::try_from(device.public_key.clone()).map_err(RelyingPartyError::internal)?;
        let expected = payload::Connection {
            nonce: challenge.nonce,
            session_id: challenge.session_id,
            target: self.parts.backend.target(Statement::Connection).clone(),
            account_user_id: device.account_user_id.clone(),
            client_id: device.client_id.clone(),
            token_sha256,
            token_expires_at: challenge.expires_at,
        };
        let proof = Proof {
            signed_bytes: &proof.signed_bytes,
            signature_der: &proof.signature_der,
            public_key: &key,
        };
        let _verified = verify_connection(&proof, &expected, self.parts.clock.now())?;
        Ok(OpenConnection { device, guard })
    }
}

fn enrolled(device: Option<Device>) -> Result<Device, RelyingPartyError> {
    match device {
        None => Err(RelyingPartyError::DeviceUnknown),
        Some(device) if device.revoked_at.is_some() => Err(RelyingPartyError::DeviceRevoked),
        Some(device) => Ok(device),
    }
}
