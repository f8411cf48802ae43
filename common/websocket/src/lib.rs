//! What the WebSocket servers of this project share: the TCP listener, the opening handshake
//! (RFC 6455), how a WebSocket is closed, and the checks behind health probes.
//!
//! A server accepts TCP connections with an [`Acceptor`], reads one HTTP request with hyper, checks
//! it with [`Handshake::read`], and afterwards exchanges frames with `tokio-tungstenite`. Each
//! server decides for itself which requests it grants and how a refusal looks; [`HandshakeError`]
//! converts into that server's own refusal.
#![forbid(unsafe_code)]

mod handshake;
mod header;
mod listener;
mod probe;
mod session;

pub use handshake::{Handshake, HandshakeError, upgrade_required_headers};
pub use header::{bearer, single};
pub use listener::{AcceptedClient, Acceptor, ListeningSocket};
pub use probe::Probe;
pub use session::{close, close_code, config};
