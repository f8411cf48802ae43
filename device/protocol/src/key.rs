//! `device/key/create`, `device/key/public` and `device/key/sign`.
//!
//! Params hold texts; each has a method that parses them in the protocol's order of checks.

use base64ct::{Base64, Encoding as _};
use device_key_types::{
    ALGORITHM, Binding, DeviceKeyId, Field, ProtectionClass, ProtectionPolicy, PublicKey, Reason,
    SignPayload, Signature, TpmKind,
    payload::{Draft, StatementPolicy},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::RpcError;

/// Creates a key.
pub const CREATE: &str = "device/key/create";
/// Gives a key's public part.
pub const PUBLIC: &str = "device/key/public";
/// Signs a statement.
pub const SIGN: &str = "device/key/sign";

/// Params of [`CREATE`].
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateParams {
    account_user_id: String,
    client_id: String,
    #[serde(default)]
    protection_policy: Option<ProtectionPolicy>,
}

impl CreateParams {
    /// The binding, account first, and the policy, which is hardware only if left out or null.
    pub fn parse(&self) -> Result<(Binding, ProtectionPolicy), RpcError> {
        let in_field = |field| move |reason| RpcError::in_field(reason, field);
        let binding = Binding {
            account_user_id: self
                .account_user_id
                .parse()
                .map_err(in_field(Field::AccountUserId))?,
            client_id: self.client_id.parse().map_err(in_field(Field::ClientId))?,
        };
        Ok((binding, self.protection_policy.unwrap_or_default()))
    }
}

/// Params of [`PUBLIC`].
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicParams {
    key_id: String,
}

impl PublicParams {
    /// The key id.
    pub fn parse(&self) -> Result<DeviceKeyId, RpcError> {
        parse_key_id(&self.key_id)
    }
}

/// Params of [`SIGN`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignParams {
    key_id: String,
    payload: Box<RawValue>,
}

impl SignParams {
    /// The shape of the payload, then the key id, then each field of the payload.
    pub fn parse(
        &self,
        policy: &impl StatementPolicy,
    ) -> Result<(DeviceKeyId, SignPayload), RpcError> {
        let draft = Draft::from_json(self.payload.get()).map_err(|malformed| {
            RpcError::from(Reason::InvalidParams).with_message(malformed.to_string())
        })?;
        let key_id = parse_key_id(&self.key_id)?;
        Ok((key_id, draft.parse(policy).map_err(RpcError::in_payload)?))
    }
}

pub(crate) fn parse_key_id(text: &str) -> Result<DeviceKeyId, RpcError> {
    text.parse().map_err(|reason| RpcError::in_field(reason, Field::KeyId))
}

/// Result of [`CREATE`] and [`PUBLIC`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyResult {
    key_id: String,
    public_key_spki_der_base64: String,
    algorithm: &'static str,
    protection_class: ProtectionClass,
    /// Ours beside the protocol's four: a simulated key must not pass for more than it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm_kind: Option<TpmKind>,
}

impl KeyResult {
    /// Describes a key.
    pub fn new(
        key_id: &DeviceKeyId,
        public_key: &PublicKey,
        class: ProtectionClass,
        tpm_kind: Option<TpmKind>,
    ) -> Self {
        Self {
            key_id: key_id.to_string(),
            public_key_spki_der_base64: Base64::encode_string(public_key.spki_der()),
            algorithm: ALGORITHM,
            protection_class: class,
            tpm_kind,
        }
    }
}

/// Result of [`SIGN`].
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignResult {
    signature_der_base64: String,
    signed_payload_base64: String,
    algorithm: &'static str,
}

impl SignResult {
    /// A signature and the exact bytes that it is over.
    pub fn new(signature: &Signature, signed_bytes: &[u8]) -> Self {
        Self {
            signature_der_base64: Base64::encode_string(&signature.to_der()),
            signed_payload_base64: Base64::encode_string(signed_bytes),
            algorithm: ALGORITHM,
        }
    }
}
