//! `device/key/attestation/identity` and `device/key/attestation/activate`.
//!
//! Their results are [`Identity`](device_key_types::attestation::Identity) and
//! [`Activation`](device_key_types::attestation::Activation).

use base64ct::{Base64, Encoding as _};
use device_key_types::attestation::{Challenge, Credential, Draft, EndorsementKeyKind, TpmBytes};
use device_key_types::payload::StatementPolicy;
use device_key_types::{DeviceKeyId, Field, Reason};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::key::parse_key_id;
use crate::rpc_error::RpcError;

/// Shows the endorsement key of the TPM that holds a key, and an attestation key of that TPM.
pub const IDENTITY: &str = "device/key/attestation/identity";
/// Opens a backend's credential and certifies the key.
pub const ACTIVATE: &str = "device/key/attestation/activate";

/// Params of [`IDENTITY`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityParams {
    key_id: String,
    challenge: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsement_key: Option<EndorsementKeyKind>,
}

/// The members that the requests of both methods have, after they were checked.
pub struct AttestationRequest {
    /// The key.
    pub key_id: DeviceKeyId,
    /// The backend's challenge.
    pub challenge: Challenge,
    /// The kind of endorsement key that the caller named, if any.
    pub endorsement_key: Option<EndorsementKeyKind>,
}

impl IdentityParams {
    /// Asks for the evidence that answers a backend's challenge, which is given as JSON. Without a
    /// kind the service takes the first endorsement key that has a certificate.
    pub fn new(
        key_id: &DeviceKeyId,
        challenge: Box<RawValue>,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Self {
        Self { key_id: key_id.to_string(), challenge, endorsement_key }
    }

    /// Checks the shape of the challenge, then the key id, then each field of the challenge.
    pub fn parse(&self, policy: &impl StatementPolicy) -> Result<AttestationRequest, RpcError> {
        request(&self.key_id, &self.challenge, self.endorsement_key, policy)
    }
}

/// Params of [`ACTIVATE`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivateParams {
    key_id: String,
    challenge: Box<RawValue>,
    credential_blob: String,
    encrypted_secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsement_key: Option<EndorsementKeyKind>,
}

impl ActivateParams {
    /// Gives the credential that the backend made of an identity, with the same challenge and
    /// endorsement key as before.
    pub fn new(identity: IdentityParams, credential: &Credential) -> Self {
        let IdentityParams { key_id, challenge, endorsement_key } = identity;
        Self {
            key_id,
            challenge,
            credential_blob: Base64::encode_string(credential.blob.as_bytes()),
            encrypted_secret: Base64::encode_string(credential.encrypted_secret.as_bytes()),
            endorsement_key,
        }
    }

    /// Checks what [`IdentityParams::parse`] checks, then the two parts of the credential.
    pub fn parse(
        &self,
        policy: &impl StatementPolicy,
    ) -> Result<(AttestationRequest, Credential), RpcError> {
        let request = request(&self.key_id, &self.challenge, self.endorsement_key, policy)?;
        let credential = Credential {
            blob: bytes(&self.credential_blob, Field::CredentialBlob)?,
            encrypted_secret: bytes(&self.encrypted_secret, Field::EncryptedSecret)?,
        };
        Ok((request, credential))
    }
}

fn request(
    key_id: &str,
    challenge: &RawValue,
    endorsement_key: Option<EndorsementKeyKind>,
    policy: &impl StatementPolicy,
) -> Result<AttestationRequest, RpcError> {
    let draft = Draft::from_json(challenge.get()).map_err(|_| {
        RpcError::from(Reason::InvalidParams)
            .with_message("the challenge does not have the members of a challenge")
    })?;
    let key_id = parse_key_id(key_id)?;
    let challenge = draft.parse(policy).map_err(RpcError::in_challenge)?;
    Ok(AttestationRequest { key_id, challenge, endorsement_key })
}

fn bytes(text: &str, field: Field) -> Result<TpmBytes, RpcError> {
    text.parse().map_err(|_| RpcError::in_field(Reason::InvalidParams, field))
}
