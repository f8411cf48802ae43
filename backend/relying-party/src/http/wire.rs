//! The JSON bodies of requests and answers.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use base64ct::{Base64, Encoding as _};
use device_key_types::attestation::{self, Activation, Identity};
use device_key_types::payload::{CONTROLLER_SCOPE, Statement, Target};
use device_key_types::strict_json::Object;
use device_key_types::{
    ALGORITHM, AccountUserId, ChallengeId, ClientId, DeviceKeyId, Field, Nonce, Origin,
    ProtectionClass, SessionId, TargetPath, UnixTime,
};
use device_key_verifier::ProofKey;
use serde::{Deserialize, Serialize};

use crate::error::RelyingPartyError;
use crate::registry::device::Device;
use crate::relying_party::connection::ConnectionInvitation;
use crate::relying_party::enrollment::{EnrollmentAnswer, EnrollmentInvitation, IdentityAnswer};

const PUBLIC_KEY: &str = "publicKeySpkiDerBase64";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EnrollmentChallengeRequest {
    client_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttestationRequest {
    challenge_id: String,
    key_id: String,
    public_key_spki_der_base64: String,
    protection_class: ProtectionClass,
    identity: Object<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EnrollmentRequest {
    challenge_id: String,
    key_id: String,
    public_key_spki_der_base64: String,
    protection_class: ProtectionClass,
    algorithm: String,
    signed_payload_base64: String,
    signature_der_base64: String,
    #[serde(default)]
    activation: Option<Object<Activation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConnectionChallengeRequest {
    key_id: String,
}

impl EnrollmentChallengeRequest {
    pub(super) fn parse(&self) -> Result<ClientId, RelyingPartyError> {
        self.client_id.parse().map_err(RelyingPartyError::in_field(Field::ClientId))
    }
}

impl AttestationRequest {
    pub(super) fn parse(self) -> Result<IdentityAnswer, RelyingPartyError> {
        Ok(IdentityAnswer {
            challenge_id: challenge_id(&self.challenge_id)?,
            key_id: key_id(&self.key_id)?,
            key: key(&self.public_key_spki_der_base64)?,
            protection_class: self.protection_class,
            identity: self.identity.0,
        })
    }
}

impl EnrollmentRequest {
    pub(super) fn parse(self) -> Result<EnrollmentAnswer, RelyingPartyError> {
        let answer = EnrollmentAnswer {
            challenge_id: challenge_id(&self.challenge_id)?,
            key_id: key_id(&self.key_id)?,
            key: key(&self.public_key_spki_der_base64)?,
            protection_class: self.protection_class,
            signed_bytes: base64("signedPayloadBase64", &self.signed_payload_base64)?,
            signature_der: base64("signatureDerBase64", &self.signature_der_base64)?,
            activation: self.activation.map(|Object(activation)| activation),
        };
        if self.algorithm == ALGORITHM {
            Ok(answer)
        } else {
            Err(RelyingPartyError::Value { field: "algorithm", reason: "unsupported_algorithm" })
        }
    }
}

impl ConnectionChallengeRequest {
    pub(super) fn parse(&self) -> Result<DeviceKeyId, RelyingPartyError> {
        key_id(&self.key_id)
    }
}

pub(super) fn key_id(text: &str) -> Result<DeviceKeyId, RelyingPartyError> {
    text.parse().map_err(RelyingPartyError::in_field(Field::KeyId))
}

pub(super) fn base64(field: &'static str, text: &str) -> Result<Vec<u8>, RelyingPartyError> {
    Base64::decode_vec(text)
        .map_err(|_| RelyingPartyError::Value { field, reason: "invalid_base64" })
}

fn challenge_id(text: &str) -> Result<ChallengeId, RelyingPartyError> {
    text.parse().map_err(RelyingPartyError::in_field(Field::ChallengeId))
}

fn key(text: &str) -> Result<ProofKey, RelyingPartyError> {
    ProofKey::from_spki_der(&base64(PUBLIC_KEY, text)?)
        .map_err(|_| RelyingPartyError::Value { field: PUBLIC_KEY, reason: "invalid_public_key" })
}

/// A challenge as the device's service takes it: the statement to sign, without the fields that
/// only the client can add.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invitation<'a> {
    r#type: &'static str,
    audience: &'static str,
    nonce: &'a Nonce,
    challenge_id: &'a ChallengeId,
    target_origin: &'a Origin,
    target_path: &'a TargetPath,
    account_user_id: &'a AccountUserId,
    client_id: &'a ClientId,
    challenge_expires_at: UnixTime,
}

#[derive(Serialize)]
pub(super) struct EnrollmentChallengeAnswer<'a> {
    #[serde(flatten)]
    challenge: Invitation<'a>,
    /// The challenge for the TPM, which the client passes on without a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<Invitation<'a>>,
}

impl<'a> From<&'a EnrollmentInvitation> for EnrollmentChallengeAnswer<'a> {
    fn from(invitation: &'a EnrollmentInvitation) -> Self {
        let EnrollmentInvitation { challenge, target, attestation } = invitation;
        let Target { origin, path } = target;
        Self {
            challenge: Invitation {
                r#type: Statement::Enrollment.as_str(),
                audience: Statement::Enrollment.audience(),
                nonce: &challenge.nonce,
                challenge_id: &challenge.challenge_id,
                target_origin: origin,
                target_path: path,
                account_user_id: &challenge.account_user_id,
                client_id: &challenge.client_id,
                challenge_expires_at: challenge.expires_at,
            },
            attestation: attestation.as_ref().map(Invitation::from),
        }
    }
}

impl<'a> From<&'a attestation::Challenge> for Invitation<'a> {
    fn from(challenge: &'a attestation::Challenge) -> Self {
        Self {
            r#type: Statement::Attestation.as_str(),
            audience: Statement::Attestation.audience(),
            nonce: &challenge.nonce,
            challenge_id: &challenge.challenge_id,
            target_origin: &challenge.target.origin,
            target_path: &challenge.target.path,
            account_user_id: &challenge.account_user_id,
            client_id: &challenge.client_id,
            challenge_expires_at: challenge.challenge_expires_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionChallengeAnswer<'a> {
    r#type: &'static str,
    audience: &'static str,
    nonce: &'a Nonce,
    session_id: &'a SessionId,
    target_origin: &'a Origin,
    target_path: &'a TargetPath,
    account_user_id: &'a AccountUserId,
    client_id: &'a ClientId,
    /// The connection token. The statement contains the token's digest instead.
    token: &'a str,
    scopes: [&'static str; 1],
    token_expires_at: UnixTime,
}

impl<'a> From<&'a ConnectionInvitation> for ConnectionChallengeAnswer<'a> {
    fn from(invitation: &'a ConnectionInvitation) -> Self {
        let ConnectionInvitation { token, challenge, target } = invitation;
        Self {
            r#type: Statement::Connection.as_str(),
            audience: Statement::Connection.audience(),
            nonce: &challenge.nonce,
            session_id: &challenge.session_id,
            target_origin: &target.origin,
            target_path: &target.path,
            account_user_id: &challenge.account_user_id,
            client_id: &challenge.client_id,
            token: token.as_str(),
            scopes: [CONTROLLER_SCOPE],
            token_expires_at: challenge.expires_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceAnswer<'a> {
    key_id: String,
    client_id: &'a ClientId,
    public_key_spki_der_base64: String,
    algorithm: &'static str,
    protection_class: ProtectionClass,
    verified_kind: &'static str,
    enrolled_at: UnixTime,
}

impl<'a> From<&'a Device> for DeviceAnswer<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            key_id: device.key_id.to_string(),
            client_id: &device.client_id,
            public_key_spki_der_base64: Base64::encode_string(device.public_key.spki_der()),
            algorithm: ALGORITHM,
            protection_class: device.protection_class,
            verified_kind: device.verified_kind.as_str(),
            enrolled_at: device.enrolled_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct DevicesAnswer<'a> {
    devices: Vec<DeviceAnswer<'a>>,
}

impl<'a> DevicesAnswer<'a> {
    pub(super) fn of(devices: &'a [Device]) -> Self {
        Self { devices: devices.iter().map(DeviceAnswer::from).collect() }
    }
}

/// Builds an answer in JSON. Nobody may cache it, because answers contain tokens or data that
/// changes.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // Serialising strings and integers cannot fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().extend([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    response
}
