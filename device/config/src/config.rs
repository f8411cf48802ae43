//! The typed contents of the configuration file.

use std::fmt;
use std::str::FromStr;

use device_key::AddedBackend;
use device_key_tpm2::TpmAddress;
use device_key_types::strict_json::Object;
use device_key_types::{AbsolutePath, BackendOrigin, Origin, PathPrefix};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::audit::WhenFull;
use crate::error::InvalidConfig;
use crate::limits::LimitSettings;
use crate::listen::ListenAddress;
use crate::providers::{ProviderName, Providers};
use crate::text::{parsed, parsed_list, parsed_some, table};

/// The contents of the configuration file. Every key may be left out. Without a file, every key has
/// its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `home`: the folder for state and keys.
    #[serde(deserialize_with = "parsed_some")]
    pub home: Option<AbsolutePath>,
    /// `providers`: which providers are used.
    #[serde(deserialize_with = "providers")]
    pub providers: Providers,
    /// `listen`: the addresses at which the service listens. Each address may be listed once.
    #[serde(deserialize_with = "parsed_list")]
    pub listen: Vec<ListenAddress>,
    /// `[service]`: makes the app-server a service that many clients use. Without this table, a
    /// client runs the app-server as its child process.
    #[serde(deserialize_with = "service")]
    pub service: Option<Service>,
    /// `[tpm]`: the TPM.
    #[serde(deserialize_with = "table")]
    pub tpm: Tpm,
    /// `[[backend]]`: backends in addition to the built-in ones, for
    /// [`RemoteControlPolicy::with_backends`](device_key::RemoteControlPolicy::with_backends).
    #[serde(rename = "backend", deserialize_with = "backends")]
    pub backends: Vec<AddedBackend>,
    /// `[attestation]`: who may ask for attestations.
    #[serde(deserialize_with = "table")]
    pub attestation: Attestation,
    /// `[audit]`: what happens if the log does not take audit events.
    #[serde(deserialize_with = "table")]
    pub audit: Audit,
    /// `[limits]`: how much work the service accepts.
    #[serde(deserialize_with = "table")]
    pub limits: LimitSettings,
    /// `[websocket]`: the WebSocket listeners.
    #[serde(deserialize_with = "table")]
    pub websocket: WebSocket,
}

/// A service that many clients use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whether the service belongs to the machine or to one user.
    #[serde(deserialize_with = "parsed")]
    pub mode: ServiceMode,
}

/// Whether the service belongs to the machine or to one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceMode {
    /// A service of the machine, which runs as a user of its own. Each TPM key gets a secret, keys
    /// can be OS-protected, and the process is hardened.
    System,
    /// A service of one user, which runs as this user. Its clients can reach everything that the
    /// service can reach.
    User,
}

/// A text is not the name of a [`ServiceMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mode of a service must be system or user")]
pub struct UnknownServiceMode;

impl FromStr for ServiceMode {
    type Err = UnknownServiceMode;

    fn from_str(text: &str) -> Result<Self, UnknownServiceMode> {
        match text {
            "system" => Ok(Self::System),
            "user" => Ok(Self::User),
            _ => Err(UnknownServiceMode),
        }
    }
}

impl fmt::Display for ServiceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
        })
    }
}

/// The TPM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tpm {
    /// The address of the TPM. The default is the machine's own TPM.
    #[serde(deserialize_with = "parsed_some")]
    pub device: Option<TpmAddress>,
    /// Whether a simulator is accepted. The keys of a simulator stay marked as simulated.
    pub allow_simulated: bool,
}

/// Who may ask for attestations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attestation {
    /// The origins of the backends that may ask for attestations. Each origin may be listed once.
    /// If the list is empty, no backend may ask.
    #[serde(deserialize_with = "parsed_list")]
    pub origins: Vec<BackendOrigin>,
}

/// What happens if the log does not take audit events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// What happens to an operation whose audit event finds no room. By default, a system service
    /// refuses the operation, and any other app-server drops the event.
    #[serde(deserialize_with = "parsed_some")]
    pub when_full: Option<WhenFull>,
}

/// WebSocket listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocket {
    /// The file with the token that a client on another machine must present.
    #[serde(deserialize_with = "parsed_some")]
    pub token_file: Option<AbsolutePath>,
    /// The origins whose web pages may connect. If the list is empty, no web page may connect.
    #[serde(deserialize_with = "parsed_list")]
    pub allowed_origins: Vec<Origin>,
}

impl FromStr for Config {
    type Err = InvalidConfig;

    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        toml::from_str(text).map_err(|error| InvalidConfig::locate(text, &error))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendTable {
    #[serde(deserialize_with = "parsed")]
    origin: BackendOrigin,
    #[serde(deserialize_with = "parsed")]
    path_prefix: PathPrefix,
}

fn backends<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AddedBackend>, D::Error> {
    let backend =
        |Object(BackendTable { origin, path_prefix })| AddedBackend { origin, path_prefix };
    Ok(Vec::deserialize(deserializer)?.into_iter().map(backend).collect())
}

fn providers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Providers, D::Error> {
    Providers::of(parsed_list::<_, ProviderName>(deserializer)?).map_err(D::Error::custom)
}

fn service<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Service>, D::Error> {
    table(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
