//! `device/key/list`, `device/key/delete` and `device/key/providers`.

use device_key_types::{
    AccountUserId, Binding, ClientId, DeviceKeyId, Field, ProtectionClass, Reason, TpmKind,
    UnixTime,
};
use serde::{Deserialize, Serialize};

use crate::initialize::ProviderInfo;
use crate::key::{Algorithm, parse_key_id};
use crate::name::Name;
use crate::rpc_error::RpcError;

/// Lists the caller's keys, page by page.
pub const LIST: &str = "device/key/list";
/// Deletes a key.
pub const DELETE: &str = "device/key/delete";
/// Tells which providers can create keys.
pub const PROVIDERS: &str = "device/key/providers";

/// The most keys on a page, which is also the default.
pub const MAX_PAGE: u32 = 100;

/// Params of [`LIST`].
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account_user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

/// What [`ListParams`] ask for.
#[derive(Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys of this account.
    pub account_user_id: Option<AccountUserId>,
    /// Only keys of this client.
    pub client_id: Option<ClientId>,
    /// Only keys that come after this key.
    pub after: Option<DeviceKeyId>,
    /// The most keys to return: 1 to [`MAX_PAGE`].
    pub limit: u32,
}

impl ListParams {
    /// Asks for the first page, or for the page that `cursor` leads to.
    pub fn new(
        account_user_id: Option<&AccountUserId>,
        client_id: Option<&ClientId>,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> Self {
        Self {
            account_user_id: account_user_id.map(|account| account.as_str().to_owned()),
            client_id: client_id.map(|client| client.as_str().to_owned()),
            cursor,
            limit,
        }
    }

    /// Asks for the page of this list that `cursor` leads to.
    #[must_use]
    pub fn at(self, cursor: String) -> Self {
        Self { cursor: Some(cursor), ..self }
    }

    /// Checks the account, the client, the cursor and the limit, in this order.
    pub fn parse(&self) -> Result<ListQuery, RpcError> {
        let in_field = |field| move |reason| RpcError::in_field(reason, field);
        let account_user_id = self.account_user_id.as_deref().map(str::parse).transpose();
        let client_id = self.client_id.as_deref().map(str::parse).transpose();
        let after = self.cursor.as_deref().map(str::parse).transpose();
        Ok(ListQuery {
            account_user_id: account_user_id.map_err(in_field(Field::AccountUserId))?,
            client_id: client_id.map_err(in_field(Field::ClientId))?,
            after: after
                .map_err(|_: Reason| RpcError::in_field(Reason::InvalidCursor, Field::Cursor))?,
            limit: match self.limit {
                None => MAX_PAGE,
                Some(limit @ 1..=MAX_PAGE) => limit,
                Some(_) => return Err(RpcError::in_field(Reason::InvalidParams, Field::Limit)),
            },
        })
    }
}

/// Result of [`LIST`]: a page of keys, each held as a `K`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResult<K = ListedKey> {
    /// The keys of the page.
    pub keys: Vec<K>,
    /// The cursor of the next page, if there is one. Its content is opaque to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl ListResult {
    /// A page, and whether another page follows. The cursor is the last key of this page.
    pub fn new(keys: Vec<ListedKey>, has_more: bool) -> Self {
        let next_cursor = keys.last().filter(|_| has_more).map(|last| last.key_id.to_string());
        Self { keys, next_cursor }
    }
}

/// A key as it is listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The account that the key is bound to.
    pub account_user_id: AccountUserId,
    /// The client that the key is bound to.
    pub client_id: ClientId,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// What protects the key.
    pub protection_class: Name<ProtectionClass>,
    /// What kind of TPM holds the key, if a TPM does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm_kind: Option<Name<TpmKind>>,
    /// When the key was created, in Unix seconds.
    pub created_at: UnixTime,
}

impl ListedKey {
    /// Describes a key.
    pub fn new(
        key_id: &DeviceKeyId,
        binding: &Binding,
        class: ProtectionClass,
        tpm_kind: Option<TpmKind>,
        created_at: UnixTime,
    ) -> Self {
        let Binding { account_user_id, client_id } = binding.clone();
        Self {
            key_id: *key_id,
            account_user_id,
            client_id,
            algorithm: Algorithm::EcdsaP256Sha256,
            protection_class: class.into(),
            tpm_kind: tpm_kind.map(Name::from),
            created_at,
        }
    }
}

/// Params of [`DELETE`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteParams {
    key_id: String,
}

impl DeleteParams {
    /// Names a key.
    pub fn new(key_id: &DeviceKeyId) -> Self {
        Self { key_id: key_id.to_string() }
    }

    /// Checks the key id.
    pub fn parse(&self) -> Result<DeviceKeyId, RpcError> {
        parse_key_id(&self.key_id)
    }
}

/// Result of [`DELETE`]: an empty object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DeleteResult {}

/// Params of [`PROVIDERS`]: an empty object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ProvidersParams {}

/// Result of [`PROVIDERS`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProvidersResult {
    /// Each provider, in the order in which `create` tries them.
    pub providers: Vec<ProviderInfo>,
}
