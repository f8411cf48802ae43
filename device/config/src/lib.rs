//! Reads `config.toml`, the operator's settings of the service.
//!
//! A [`Config`] is parsed from TOML into typed values. An unknown key, a wrong type or a value out
//! of range is an [`InvalidConfig`] with line, column and key. A [`ConfigFile`] names the file that
//! the text comes from. The file is used only if nobody but root and the user of this process can
//! change the file or a folder above it. A file that exists but can be changed by another user is
//! an error.
//!
//! This crate does not read the environment by itself and does not start anything. A flag of a
//! command overrides the value in the file. The command does this itself, with the types of this
//! crate ([`ListenAddress`], [`ProviderName`]).
//!
//! ```
//! use device_key_config::{Config, ListenAddress};
//!
//! let config: Config = r#"
//!     listen = ["unix://"]
//!     [[backend]]
//!     origin = "https://backend.example"
//!     path_prefix = "/api/codex"
//! "#
//! .parse()?;
//! assert_eq!(config.listen, [ListenAddress::DefaultUnix]);
//! assert_eq!(config.limits.connections.get(), 512);
//!
//! let error = "[limits]\nconnections = 0".parse::<Config>().unwrap_err();
//! assert_eq!((error.line, error.key.as_deref()), (2, Some("limits.connections")));
//! # Ok::<(), device_key_config::InvalidConfig>(())
//! ```
#![forbid(unsafe_code)]

mod audit;
mod config;
mod error;
mod file;
mod limits;
mod listen;
mod providers;
mod text;
mod text_position;
mod trusted_file;

pub use audit::{UnknownWhenFull, WhenFull};
pub use config::{
    Attestation, Audit, Config, Service, ServiceMode, Tpm, UnknownServiceMode, WebSocket,
};
pub use error::{ConfigError, InvalidConfig};
pub use file::ConfigFile;
pub use limits::{Limit, LimitSettings, OutOfRange};
pub use listen::{InvalidListenAddress, ListenAddress};
pub use providers::{InvalidProviders, ProviderName, Providers};
