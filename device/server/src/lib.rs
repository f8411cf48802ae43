//! The app-server: JSON-RPC over several transports, in front of a [`DeviceKeyStore`].
//!
//! An [`AppServer`] is a table of methods and a handshake. [`AppServer::connect`] gives one
//! connection of one [`Peer`](device_key::Peer): bytes in, answers out, whatever carries them.
//! [`serve_stdio`] carries them over standard input and output, [`WebSocketListening`] over TCP for
//! remote peers, [`AppServer::connect_in_process`] over nothing. Requests run in tasks of their own,
//! so a key device that takes a minute delays only those who wait for it.
//!
//! A host mounts its own methods beside `device/key/*` and they get the same handshake, tracing and
//! transport gate: a [`Methods::local`] handler can only be called with a
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
#![forbid(unsafe_code)]

mod admission;
mod app_server;
mod at_work;
mod attestation_methods;
pub mod audit;
mod carry;
mod connection;
mod device_key_methods;
mod in_flight;
mod limits;
mod line_splitter;
mod methods;
mod relay;
mod request_span;
mod stdio;
mod unix;
mod websocket;

pub use app_server::{AppServer, ServerDescription};
pub use connection::{Answers, Connection, ConnectionClosed};
pub use device_key::DeviceKeyStore;
pub use limits::ServerLimits;
pub use methods::{DuplicateMethod, Methods};
pub use relay::{RelayError, RelayTarget, relay_stdio};
pub use stdio::serve_stdio;
pub use unix::{PeerCredentials, SocketMode, UnixSocket, UnixSocketError};
pub use websocket::{
    CapabilityToken, Readiness, TokenFileError, WebSocketError, WebSocketLimits,
    WebSocketListening, WebSocketSettings,
};
