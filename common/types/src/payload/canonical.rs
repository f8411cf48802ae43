//! The canonical JSON (RFC 8785) of a statement.
//!
//! The members below are declared in the order in which RFC 8785 sorts them, and `serde_json`
//! writes strings and integers as RFC 8785 requires. A property test compares the result with an
//! independent implementation.

use base64ct::{Base64, Encoding as _};
use serde::Serialize;

use super::{CONTROLLER_SCOPE, Connection, Enrollment, SignPayload, Statement};
use crate::{
    ALGORITHM, AccountUserId, ChallengeId, ClientId, DeviceKeyId, Nonce, Origin, ProtectionClass,
    PublicKey, SessionId, Sha256Digest, TargetPath, UnixTime,
};

/// The domain that separates these statements from everything else that a P-256 key may sign. It is
/// part of the signed bytes.
pub const SIGNING_DOMAIN: &str = "codex-device-key-sign-payload/v1";

/// The serialiser failed. This should never happen, because statements contain only strings and
/// integers.
#[derive(Debug, thiserror::Error)]
#[error("cannot write canonical JSON")]
pub struct UnserializableError(#[from] serde_json::Error);

impl SignPayload {
    /// The exact bytes that are signed and verified: the canonical JSON of domain and payload.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, UnserializableError> {
        Ok(match self {
            Self::Connection(payload) => to_bytes(CanonicalConnection::from(payload)),
            Self::Enrollment(payload) => to_bytes(CanonicalEnrollment::from(payload)),
        }?)
    }
}

fn to_bytes(payload: impl Serialize) -> serde_json::Result<Vec<u8>> {
    // A statement of common length fits, so the buffer does not grow while it is written.
    let mut bytes = Vec::with_capacity(768);
    serde_json::to_writer(&mut bytes, &Signed { domain: SIGNING_DOMAIN, payload })?;
    Ok(bytes)
}

#[derive(Serialize)]
struct Signed<P> {
    domain: &'static str,
    payload: P,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CanonicalConnection<'a> {
    account_user_id: &'a AccountUserId,
    audience: &'static str,
    client_id: &'a ClientId,
    nonce: &'a Nonce,
    scopes: [&'static str; 1],
    session_id: &'a SessionId,
    target_origin: &'a Origin,
    target_path: &'a TargetPath,
    token_expires_at: UnixTime,
    #[serde(rename = "tokenSha256Base64url")]
    token_sha256: &'a Sha256Digest,
    r#type: &'static str,
}

impl<'a> From<&'a Connection> for CanonicalConnection<'a> {
    fn from(payload: &'a Connection) -> Self {
        Self {
            account_user_id: &payload.account_user_id,
            audience: Statement::Connection.audience(),
            client_id: &payload.client_id,
            nonce: &payload.nonce,
            scopes: [CONTROLLER_SCOPE],
            session_id: &payload.session_id,
            target_origin: &payload.target.origin,
            target_path: &payload.target.path,
            token_expires_at: payload.token_expires_at,
            token_sha256: &payload.token_sha256,
            r#type: Statement::Connection.as_str(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CanonicalEnrollment<'a> {
    account_user_id: &'a AccountUserId,
    audience: &'static str,
    challenge_expires_at: UnixTime,
    challenge_id: &'a ChallengeId,
    client_id: &'a ClientId,
    #[serde(rename = "deviceIdentitySha256Base64url")]
    device_identity_sha256: &'a Sha256Digest,
    nonce: &'a Nonce,
    target_origin: &'a Origin,
    target_path: &'a TargetPath,
    r#type: &'static str,
}

impl<'a> From<&'a Enrollment> for CanonicalEnrollment<'a> {
    fn from(payload: &'a Enrollment) -> Self {
        Self {
            account_user_id: &payload.account_user_id,
            audience: Statement::Enrollment.audience(),
            challenge_expires_at: payload.challenge_expires_at,
            challenge_id: &payload.challenge_id,
            client_id: &payload.client_id,
            device_identity_sha256: &payload.device_identity_sha256,
            nonce: &payload.nonce,
            target_origin: &payload.target.origin,
            target_path: &payload.target.path,
            r#type: Statement::Enrollment.as_str(),
        }
    }
}

/// The digest by which an enrollment names the device: SHA-256 over the canonical JSON of
/// algorithm, key id, protection class and public key.
pub fn device_identity_digest(
    key_id: &DeviceKeyId,
    protection_class: ProtectionClass,
    public_key: &PublicKey,
) -> Result<Sha256Digest, UnserializableError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct DeviceIdentity {
        algorithm: &'static str,
        key_id: String,
        protection_class: &'static str,
        public_key_spki_der_base64: String,
    }
    let identity = serde_json::to_vec(&DeviceIdentity {
        algorithm: ALGORITHM,
        key_id: key_id.to_string(),
        protection_class: protection_class.as_str(),
        public_key_spki_der_base64: Base64::encode_string(public_key.spki_der()),
    })?;
    Ok(Sha256Digest::of(&identity))
}
