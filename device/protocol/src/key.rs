//! `device/key/create`, `device/key/public` and `device/key/sign`.
//!
//! Params hold unchecked texts. Their `parse` methods check them in the order that the protocol
//! prescribes.

use std::fmt;

use device_key_types::payload::{Draft, StatementPolicy};
use device_key_types::{
    ALGORITHM, AccountUserId, Binding, ClientId, DeviceKeyId, Field, ProtectionClass,
    ProtectionPolicy, PublicKey, Reason, SignPayload, Signature, TpmKind,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base64;
use crate::name::Name;
use crate::rpc_error::RpcError;

/// Creates a key.
pub const CREATE: &str = "device/key/create";
/// Returns the public part of a key.
pub const PUBLIC: &str = "device/key/public";
/// Signs a statement.
pub const SIGN: &str = "device/key/sign";

/// Params of [`CREATE`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateParams {
    account_user_id: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protection_policy: Option<ProtectionPolicy>,
}

impl CreateParams {
    /// Asks for a key. Without a policy the service creates a hardware key or refuses.
    pub fn new(
        account_user_id: &AccountUserId,
        client_id: &ClientId,
        protection_policy: Option<ProtectionPolicy>,
    ) -> Self {
        Self {
            account_user_id: account_user_id.as_str().to_owned(),
            client_id: client_id.as_str().to_owned(),
            protection_policy,
        }
    }

    /// Checks the account, then the client. A missing or null policy means hardware only.
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
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicParams {
    key_id: String,
}

impl PublicParams {
    /// Names a key.
    pub fn new(key_id: &DeviceKeyId) -> Self {
        Self { key_id: key_id.to_string() }
    }

    /// Checks the key id.
    pub fn parse(&self) -> Result<DeviceKeyId, RpcError> {
        parse_key_id(&self.key_id)
    }
}

/// Params of [`SIGN`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignParams {
    key_id: String,
    payload: Box<RawValue>,
}

impl SignParams {
    /// Asks for a signature over a statement, which is given as JSON.
    pub fn new(key_id: &DeviceKeyId, payload: Box<RawValue>) -> Self {
        Self { key_id: key_id.to_string(), payload }
    }

    /// Checks the shape of the payload, then the key id, then each field of the payload.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyResult {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The key's public part. On the wire: standard base64 of `SubjectPublicKeyInfo` in DER.
    #[serde(rename = "publicKeySpkiDerBase64")]
    pub public_key: PublicKey,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// What protects the key.
    pub protection_class: Name<ProtectionClass>,
    /// The kind of the TPM that holds the key, if a TPM does. This field is not in the original
    /// protocol, which has four fields. It was added so that clients can recognise a key in a
    /// simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm_kind: Option<Name<TpmKind>>,
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
            key_id: *key_id,
            public_key: public_key.clone(),
            algorithm: Algorithm::EcdsaP256Sha256,
            protection_class: class.into(),
            tpm_kind: tpm_kind.map(Name::from),
        }
    }
}

/// The signature algorithm of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 over SHA-256.
    #[serde(rename = "ecdsa_p256_sha256")]
    EcdsaP256Sha256,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)
    }
}

/// Result of [`SIGN`]. `Debug` hides the statement.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignResult {
    /// The signature. On the wire: standard base64 of its DER encoding.
    #[serde(rename = "signatureDerBase64")]
    pub signature: Signature,
    /// The exact bytes that were signed. On the wire: standard base64.
    #[serde(rename = "signedPayloadBase64", with = "base64")]
    pub signed_payload: Vec<u8>,
    /// The key's algorithm.
    pub algorithm: Algorithm,
}

impl SignResult {
    /// A signature and the exact bytes that were signed.
    pub fn new(signature: &Signature, signed_bytes: &[u8]) -> Self {
        Self {
            signature: signature.clone(),
            signed_payload: signed_bytes.to_vec(),
            algorithm: Algorithm::EcdsaP256Sha256,
        }
    }
}

impl fmt::Debug for SignResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignResult").finish_non_exhaustive()
    }
}
