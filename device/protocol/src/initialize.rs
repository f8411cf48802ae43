//! The handshake, which is the first request on every connection.

use std::borrow::Cow;

use device_key_types::strict_json::Object;
use device_key_types::{OsProtectionCondition, ProtectionClass, Reason};
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The method's name.
pub const METHOD: &str = "initialize";

/// Params of `initialize`. Their shape is checked, and their content changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The client, as it names itself.
    pub client_info: Object<ClientInfo>,
    /// What the client can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Object<Capabilities>>,
}

/// A client, as it names itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a client can do. The device-key methods need none of these capabilities.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Whether the client wants experimental methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experimental_api: Option<bool>,
    /// The notifications that the client does not want.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out_notification_methods: Option<Vec<String>>,
}

/// Result of `initialize`. Strict clients require the first four members to be strings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// Name and version of this server.
    pub user_agent: String,
    /// The absolute path of the home folder. A remote peer is given `/`.
    pub codex_home: String,
    /// `unix` or `windows`.
    pub platform_family: Cow<'static, str>,
    /// `linux`, `macos` or `windows`.
    pub platform_os: Cow<'static, str>,
    /// This server.
    pub server_info: ServerInfo,
    /// Which keys this peer can create. A remote peer is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<DeviceKeyCapabilities>,
}

/// A server, as it names itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// Which keys a peer can create.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceKeyCapabilities {
    /// Each provider, in the order in which `create` tries them.
    pub providers: Vec<ProviderInfo>,
}

/// A provider of keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInfo {
    /// The stable name of the provider.
    pub name: String,
    /// The protection class of the provider's keys.
    pub protection_class: Name<ProtectionClass>,
    /// Whether the provider can create keys, as far as is known without asking the key device.
    pub available: bool,
    /// Why the provider is unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name<Reason>>,
    /// The condition of the OS-protected class that does not hold, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Name<OsProtectionCondition>>,
}
