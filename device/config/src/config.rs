//! The typed contents of the configuration file.

use std::fmt;
use std::str::FromStr;

use device_key::AddedBackend;
use device_key_tpm2::TpmAddress;
use device_key_types::strict_json::Object;
use device_key_types::{AbsolutePath, BackendOrigin, Origin, PathPrefix};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::InvalidConfig;
use crate::limits::LimitSettings;
use crate::listen::ListenAddress;
use crate::providers::{ProviderName, Providers};
use crate::text::{parsed, parsed_list, parsed_some, table};

/// What the configuration file says. Every key may be left out; without a file it is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `home`: the folder for state and keys.
    #[serde(deserialize_with = "parsed_some")]
    pub home: Option<AbsolutePath>,
    /// `providers`: which providers are used.
    #[serde(deserialize_with = "providers")]
    pub providers: Providers,
    /// `listen`: where the service listens; each address once.
    #[serde(deserialize_with = "parsed_list")]
    pub listen: Vec<ListenAddress>,
    /// `[service]`: a service that many clients use; without it, the app-server is run by the
    /// client that spawned it, as its child process.
    #[serde(deserialize_with = "service")]
    pub service: Option<Service>,
    /// `[tpm]`.
    #[serde(deserialize_with = "table")]
    pub tpm: Tpm,
    /// `[[backend]]`: backends in addition to the built-in ones, for
    /// [`RemoteControlPolicy::with_backends`](device_key::RemoteControlPolicy::with_backends).
    #[serde(rename = "backend", deserialize_with = "backends")]
    pub backends: Vec<AddedBackend>,
    /// `[limits]`.
    #[serde(deserialize_with = "table")]
    pub limits: LimitSettings,
    /// `[websocket]`.
    #[serde(deserialize_with = "table")]
    pub websocket: WebSocket,
}

/// A service that many clients use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whose service it is.
    #[serde(deserialize_with = "parsed")]
    pub mode: ServiceMode,
}

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceMode {
    /// Of the machine, under a user of its own: TPM keys get a secret each, keys can be
    /// OS-protected, and the process is hardened.
    System,
    /// Of one user, under that user: its clients could reach whatever the service can.
    User,
}

/// A text is not the name of a [`ServiceMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a service is of the system or of a user: system or user")]
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
    /// Whether a simulator is accepted. Its keys stay marked as simulated.
    pub allow_simulated: bool,
}

/// WebSocket listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocket {
    /// The file with the token that a client on another machine must present.
    #[serde(deserialize_with = "parsed_some")]
    pub token_file: Option<AbsolutePath>,
    /// The origins whose web pages may connect. If the list is empty, no web page may.
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
