//! The handshake, first on every connection.

use std::borrow::Cow;

use device_key_types::{OsProtectionCondition, ProtectionClass, Reason, strict_json::Object};
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The method's name.
pub const METHOD: &str = "initialize";

/// Params of `initialize`. They are read for their shape; nothing depends on what they say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The client, as it names itself.
    pub client_info: Object<ClientInfo>,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Object<Capabilities>>,
}

/// A client, as it names itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a client can do. Device-key methods need none of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Whether it wants experimental methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experimental_api: Option<bool>,
    /// Notifications that it does not want.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out_notification_methods: Option<Vec<String>>,
}

/// Result of `initialize`. The first four members are strings that strict clients require.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// Name and version of this server.
    pub user_agent: String,
    /// The home folder, absolute; `/` for a remote peer.
    pub codex_home: String,
    /// `unix` or `windows`.
    pub platform_family: Cow<'static, str>,
    /// `linux`, `macos` or `windows`.
    pub platform_os: Cow<'static, str>,
    /// This server.
    pub server_info: ServerInfo,
    /// What keys can be had; a remote peer is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<DeviceKeyCapabilities>,
}

/// A server, as it names itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What keys can be had.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceKeyCapabilities {
    /// Each provider, in the order in which `create` tries them.
    pub providers: Vec<ProviderInfo>,
}

/// One provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInfo {
    /// Its stable name.
    pub name: String,
    /// The class of its keys.
    pub protection_class: Name<ProtectionClass>,
    /// Whether nothing is known that speaks against it.
    pub available: bool,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name<Reason>>,
    /// Which condition of the OS-protected class does not hold, if that speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Name<OsProtectionCondition>>,
}
