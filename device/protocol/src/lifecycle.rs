//! `device/key/list`, `device/key/delete` and `device/key/providers`.

use device_key_types::{
    ALGORITHM, AccountUserId, Binding, ClientId, DeviceKeyId, Field, ProtectionClass, Reason,
    TpmKind, UnixTime,
};
use serde::{Deserialize, Serialize};

use crate::{RpcError, initialize::ProviderInfo, key::parse_key_id};

/// Lists the caller's keys, page by page.
pub const LIST: &str = "device/key/list";
/// Deletes a key.
pub const DELETE: &str = "device/key/delete";
/// Tells what keys can be had.
pub const PROVIDERS: &str = "device/key/providers";

/// Most keys on a page, and how many there are if the caller does not say.
pub const MAX_PAGE: u32 = 100;

/// Params of [`LIST`].
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    account_user_id: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

/// What [`ListParams`] ask for.
#[derive(Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys of this account.
    pub account_user_id: Option<AccountUserId>,
    /// Only keys of this client.
    pub client_id: Option<ClientId>,
    /// Only keys behind this one.
    pub after: Option<DeviceKeyId>,
    /// 1 to [`MAX_PAGE`].
    pub limit: u32,
}

impl ListParams {
    /// Account, client, cursor, limit, in this order.
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

/// Result of [`LIST`].
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResult {
    keys: Vec<ListedKey>,
    /// Opaque to clients: the last key of the page, behind which the next one begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl ListResult {
    /// A page, and whether there is more behind it.
    pub fn new(keys: Vec<ListedKey>, has_more: bool) -> Self {
        let next_cursor = keys.last().filter(|_| has_more).map(|last| last.key_id.clone());
        Self { keys, next_cursor }
    }
}

/// A key as it is listed.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    key_id: String,
    account_user_id: String,
    client_id: String,
    algorithm: &'static str,
    protection_class: ProtectionClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm_kind: Option<TpmKind>,
    /// Unix seconds.
    created_at: i64,
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
        Self {
            key_id: key_id.to_string(),
            account_user_id: binding.account_user_id.as_str().to_owned(),
            client_id: binding.client_id.as_str().to_owned(),
            algorithm: ALGORITHM,
            protection_class: class,
            tpm_kind,
            created_at: created_at.as_seconds(),
        }
    }
}

/// Params of [`DELETE`].
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteParams {
    key_id: String,
}

impl DeleteParams {
    /// The key id.
    pub fn parse(&self) -> Result<DeviceKeyId, RpcError> {
        parse_key_id(&self.key_id)
    }
}

/// Result of [`DELETE`]: an empty object.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DeleteResult {}

/// Params of [`PROVIDERS`]: an object of no members.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ProvidersParams {}

/// Result of [`PROVIDERS`].
#[derive(Clone, Debug, Serialize)]
pub struct ProvidersResult {
    /// Each provider, in the order in which `create` tries them.
    pub providers: Vec<ProviderInfo>,
}
