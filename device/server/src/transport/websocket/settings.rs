//! The settings of a WebSocket listener.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use device_key_types::Origin;

use super::token::CapabilityToken;

/// How a listener treats its clients.
#[derive(Debug)]
pub struct WebSocketSettings {
    /// The token that a client must show as `Authorization: Bearer TOKEN`. Required off loopback.
    pub token: Option<CapabilityToken>,
    /// The origins of web pages that may connect. A request without an `Origin` header does not
    /// come from a page.
    pub origins: Vec<Origin>,
    /// The limits that bound memory and sockets.
    pub limits: WebSocketLimits,
    /// A further condition of `/readyz`. The server itself is ready while it is not stopping and
    /// could record a key.
    pub readiness: Readiness,
}

/// The limits of one listener.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// The most WebSocket connections at a time. More are answered 503, while probes are still
    /// served.
    pub connections: u16,
    /// How long a connection may take for its HTTP request and the answer.
    pub handshake_deadline: Duration,
    /// How long a client may leave unread what it is sent before it is dropped, and how long it
    /// may take to close.
    pub stall_deadline: Duration,
}

/// Whether the service could serve a request now.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> bool + Send + Sync>);

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            token: None,
            origins: Vec::new(),
            limits: WebSocketLimits::default(),
            readiness: Readiness::when(|| true),
        }
    }
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            handshake_deadline: Duration::from_secs(5),
            stall_deadline: Duration::from_secs(10),
        }
    }
}

impl Readiness {
    /// Asks this check. It must be quick, because it runs on the thread that serves connections.
    pub fn when(check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    pub(super) fn is_ready(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readiness(..)")
    }
}
