//! The app-server: JSON-RPC over several transports, in front of a [`DeviceKeyStore`].
//!
//! An [`AppServer`] is a table of methods and a handshake. [`Stdio`] serves one client over
//! standard input and output, [`UnixSocket`] serves local users, [`WebSocketListening`] serves
//! remote peers over TCP, and [`AppServer::connect_in_process`] gives this process a connection of
//! its own. A request that has to wait runs in a task of its own, so a key device that takes a
//! minute delays only the requests for that device.
//!
//! A host mounts its own methods beside `device/key/*`, and they get the same handshake, tracing
//! and transport gate: a [`Methods::local`] handler can only be called with a
//! [`LocalPeer`](device_key::LocalPeer), which a remote connection does not have.
//!
//! ```
//! use device_key_server::Methods;
//! use serde_json::json;
//!
//! let methods = Methods::new().local("host/whoami", |peer, _params| async move {
//!     Ok(json!({"uid": peer.owner().as_raw()}))
//! })?;
//! # Ok::<(), device_key_server::DuplicateMethod>(())
//! ```
//!
//! See `examples/host_app_server.rs` for a whole host. This crate picks no provider and opens no
//! database; the `device-key` command does.
//!
//! Inside the crate, each layer uses only the layers before it in this list: `methods`,
//! `app_server`, `connection`, `transport`.
#![forbid(unsafe_code)]

mod app_server;
mod connection;
mod limits;
mod methods;
mod transport;

pub use app_server::{AppServer, ServerDescription};
pub use device_key::DeviceKeyStore;
pub use limits::ServerLimits;
pub use methods::audit;
pub use methods::audit::log::AuditLog;
pub use methods::table::{DuplicateMethod, Methods};
pub use transport::stdio::{Stdio, StdioError};
pub use transport::unix::UnixSocket;
pub use transport::unix::credentials::PeerCredentials;
pub use transport::unix::error::UnixSocketError;
pub use transport::unix::socket_file::SocketMode;
pub use transport::websocket::WebSocketListening;
pub use transport::websocket::access::WebSocketAccess;
pub use transport::websocket::error::WebSocketError;
pub use transport::websocket::settings::{Readiness, WebSocketLimits, WebSocketSettings};
pub use transport::websocket::token::{CapabilityToken, TokenFileError};
