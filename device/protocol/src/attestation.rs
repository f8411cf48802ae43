//! `device/key/attestation/identity` and `device/key/attestation/activate`. Their results are
//! [`Identity`](device_key_types::attestation::Identity) and
//! [`Activation`](device_key_types::attestation::Activation) as they are.

use device_key_types::{
    DeviceKeyId, Field, Reason,
    attestation::{Challenge, Credential, Draft, EndorsementKeyKind, TpmBytes},
    payload::StatementPolicy,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{RpcError, key::parse_key_id};

/// Tells which device and which attestation key speak for a key.
pub const IDENTITY: &str = "device/key/attestation/identity";
/// Opens a backend's credential and certifies the key.
pub const ACTIVATE: &str = "device/key/attestation/activate";

/// Params of [`IDENTITY`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityParams {
    key_id: String,
    challenge: Box<RawValue>,
    #[serde(default)]
    endorsement_key: Option<EndorsementKeyKind>,
}

/// What both methods are about.
pub struct AttestationRequest {
    /// The key.
    pub key_id: DeviceKeyId,
    /// The backend's challenge.
    pub challenge: Challenge,
    /// Which endorsement key, if the caller says.
    pub endorsement_key: Option<EndorsementKeyKind>,
}

impl IdentityParams {
    /// The shape of the challenge, then the key id, then each field of the challenge.
    pub fn parse(&self, policy: &impl StatementPolicy) -> Result<AttestationRequest, RpcError> {
        request(&self.key_id, &self.challenge, self.endorsement_key, policy)
    }
}

/// Params of [`ACTIVATE`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivateParams {
    key_id: String,
    challenge: Box<RawValue>,
    credential_blob: String,
    encrypted_secret: String,
    #[serde(default)]
    endorsement_key: Option<EndorsementKeyKind>,
}

impl ActivateParams {
    /// As [`IdentityParams::parse`], then the credential's two parts.
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
            .with_message("the challenge does not have the shape of one")
    })?;
    let key_id = parse_key_id(key_id)?;
    let challenge = draft.parse(policy).map_err(RpcError::in_challenge)?;
    Ok(AttestationRequest { key_id, challenge, endorsement_key })
}

fn bytes(text: &str, field: Field) -> Result<TpmBytes, RpcError> {
    text.parse().map_err(|_| RpcError::in_field(Reason::InvalidParams, field))
}
