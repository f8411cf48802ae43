//! `config.toml`: what the operator of a machine decides about the service.
//!
//! A [`Config`] is parsed from TOML into typed values; an unknown key, a wrong type or a value out
//! of range is an [`InvalidConfig`] with line, column and key. A [`ConfigFile`] is where the text
//! comes from: it is honoured only if neither the file nor any folder above it can be changed by
//! anybody but root and the user of this process, and one that is there but not safe is an error.
//!
//! It reads no environment by itself and starts nothing. What a flag says goes before what is here;
//! that is the command's business, with the same types ([`ListenAddress`], [`ProviderName`]).
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

mod config;
mod error;
mod file;
mod limits;
mod listen;
mod providers;
mod text;
mod text_position;
mod trusted_file;

pub use config::{Config, Service, ServiceMode, Tpm, UnknownServiceMode, WebSocket};
pub use error::{ConfigError, InvalidConfig};
pub use file::ConfigFile;
pub use limits::{Limit, LimitSettings, OutOfRange};
pub use listen::{InvalidListenAddress, ListenAddress};
pub use providers::{InvalidProviders, ProviderName, Providers};
