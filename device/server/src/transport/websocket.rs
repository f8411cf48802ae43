//! JSON-RPC over WebSocket connections, and health probes over plain HTTP on the same port.
//!
//! Every client is [`Peer::Remote`](device_key::Peer::Remote), from loopback too, because a TCP
//! connection does not tell which user is behind it. Clients can therefore call `initialize` and
//! the methods that a host mounts [`anywhere`](crate::Methods::anywhere), and no local method.

pub(crate) mod access;
pub(crate) mod error;
pub(crate) mod settings;
pub(crate) mod token;

mod gate;
mod refusal;
mod session;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use device_key_websocket::{AcceptedClient, ListeningSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, error};

use self::access::WebSocketAccess;
use self::error::WebSocketError;
use self::gate::{AcceptedUpgrade, Gate};
use self::settings::{Readiness, WebSocketLimits, WebSocketSettings};
use crate::app_server::AppServer;

/// The most connections whose HTTP request is not finished. Further connections wait in the
/// kernel's queue.
const REQUESTS: usize = 64;

/// A socket that listens for WebSocket clients. They can connect from now on;
/// [`serve`](Self::serve) serves them.
pub struct WebSocketListening {
    socket: ListeningSocket,
    access: WebSocketAccess,
    limits: WebSocketLimits,
    readiness: Readiness,
}

impl WebSocketListening {
    /// Listens on an address. Port 0 takes any free port.
    ///
    /// Fails with [`TokenRequired`](WebSocketError::TokenRequired) before anybody can connect.
    pub fn bind(address: SocketAddr, settings: WebSocketSettings) -> Result<Self, WebSocketError> {
        let WebSocketSettings { token, origins, limits, readiness } = settings;
        let access = WebSocketAccess::on(address, token, origins)?;
        let socket = ListeningSocket::bind(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => WebSocketError::AddressInUse { address },
            _ => WebSocketError::Unavailable { address, source },
        })?;
        Ok(Self { socket, access, limits, readiness })
    }

    /// The address, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// The rules of this listener, for a caller that replaces them later.
    pub fn access(&self) -> WebSocketAccess {
        self.access.clone()
    }

    /// Serves clients until the server is to stop and the last WebSocket has closed.
    ///
    /// While the server stops, probes are still answered (`/readyz` with 503), no new WebSocket is
    /// opened, and each client gets the answers that it waits for and a close frame (1001).
    /// Dropping the future drops every connection, so a caller can set a deadline. The future must
    /// run within a Tokio runtime with I/O and time.
    ///
    /// Fails if the runtime does not take the listener.
    pub async fn serve(self, server: AppServer) -> io::Result<()> {
        let acceptor = self.socket.into_acceptor(REQUESTS)?;
        let slots = Arc::new(Semaphore::new(self.limits.connections.into()));
        let stop = server.stopping().clone();
        let mut all_closed = pin!(async {
            stop.cancelled().await;
            slots.acquire_many(self.limits.connections.into()).await.map(drop)
        });
        let gate = Arc::new(Gate {
            server,
            access: self.access,
            readiness: self.readiness,
            slots: Arc::clone(&slots),
        });
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut all_closed => return Ok(()),
                Some(ended) = clients.join_next() => if ended.is_err() {
                    error!("a WebSocket connection panicked");
                },
                client = acceptor.accept() => {
                    clients.spawn(serve_client(client, Arc::clone(&gate), self.limits));
                }
            }
        }
    }
}

async fn serve_client(client: AcceptedClient, gate: Arc<Gate>, limits: WebSocketLimits) {
    let AcceptedClient { stream, peer, slot: request_slot } = client;
    let request = timeout(limits.handshake_deadline, gate.answer_request(stream, peer)).await;
    drop(request_slot);
    match request {
        Ok(Ok(Some(AcceptedUpgrade { stream, read_already, slot }))) => {
            session::serve(stream, read_already, &gate.server, limits.stall_deadline).await;
            drop(slot);
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => debug!(%peer, cause = %error, "a WebSocket client sent no request"),
        Err(_) => debug!(%peer, "a WebSocket client took too long for its request"),
    }
}
