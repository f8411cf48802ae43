//! JSON-RPC over WebSocket connections, and health probes over plain HTTP on the same port.
//!
//! Whoever comes in here is [`Peer::Remote`](device_key::Peer::Remote), from loopback too: a TCP
//! connection does not tell the user behind it. So there is `initialize` and what a host mounts
//! [`anywhere`](crate::Methods::anywhere), and no method that is local.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use device_key_types::Origin;
use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, error, warn};

use crate::AppServer;

mod access;
mod error;
mod http;
mod refusal;
mod session;
mod token;
mod upgrade;

use access::Access;
pub use error::WebSocketError;
pub use token::{CapabilityToken, TokenFileError};

/// Connections that are still at their HTTP request. More wait in the kernel's queue.
const REQUESTS: usize = 64;
/// After an error that waiting may cure: too many open files, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client whose machine has vanished is noticed after one minute of silence and a half.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// How a listener treats its clients.
#[derive(Debug)]
pub struct WebSocketSettings {
    /// What a client must show as `Authorization: Bearer TOKEN`. Required off loopback.
    pub token: Option<CapabilityToken>,
    /// The origins of pages that may come in. Without an `Origin` header it is no page.
    pub origins: Vec<Origin>,
    /// What bounds the use of memory and sockets.
    pub limits: WebSocketLimits,
    /// What `/readyz` asks, while we are not stopping.
    pub readiness: Readiness,
}

/// The limits of one listener.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// The most WebSocket connections at a time. Others are answered 503, and probes are still
    /// served.
    pub connections: u16,
    /// How long a connection may take for its HTTP request and the answer.
    pub handshake_deadline: Duration,
    /// How long a client may leave what we write unread before it is dropped, and how long it may
    /// take to close.
    pub stall_deadline: Duration,
}

/// Whether the service could serve a request now.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> bool + Send + Sync>);

/// A socket that listens for WebSocket clients. They can connect from now on, and are served by
/// [`serve`](Self::serve).
pub struct WebSocketListening {
    listener: StdTcpListener,
    address: SocketAddr,
    access: Access,
    limits: WebSocketLimits,
    readiness: Readiness,
}

/// What all connections of a listener share.
struct House {
    app: AppServer,
    access: Access,
    limits: WebSocketLimits,
    slots: Arc<Semaphore>,
    readiness: Readiness,
}

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
    /// Asks this. It must be quick: it runs where connections are served.
    pub fn when(check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readiness(..)")
    }
}

impl WebSocketListening {
    /// Listens on an address; port 0 takes any.
    ///
    /// Fails with [`TokenRequired`](WebSocketError::TokenRequired) before anybody can connect.
    pub fn bind(address: SocketAddr, settings: WebSocketSettings) -> Result<Self, WebSocketError> {
        let WebSocketSettings { token, origins, limits, readiness } = settings;
        let access = Access::on(address, token, origins)?;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => WebSocketError::AddressInUse { address },
            _ => WebSocketError::Unavailable { address, source },
        };
        let listener = StdTcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, access, limits, readiness })
    }

    /// The address, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until the server is to stop and the last WebSocket has closed.
    ///
    /// While it stops, probes are still answered (`/readyz` with 503), nobody else comes in, and
    /// each client gets the answers that it waits for and a close frame (1001). Dropping the future
    /// drops every connection; that is how a caller sets a deadline. It must run within a Tokio
    /// runtime with I/O and time.
    ///
    /// Fails if the runtime does not take the listener.
    pub async fn serve(self, app: AppServer) -> io::Result<()> {
        let stop = app.stopping().clone();
        let listener = TcpListener::from_std(self.listener)?;
        let slots = Arc::new(Semaphore::new(self.limits.connections.into()));
        let house = Arc::new(House {
            app,
            access: self.access,
            limits: self.limits,
            slots: slots.clone(),
            readiness: self.readiness,
        });
        let requests = Arc::new(Semaphore::new(REQUESTS));
        let mut emptied = pin!(async {
            stop.cancelled().await;
            slots.acquire_many(self.limits.connections.into()).await.map(drop)
        });
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut emptied => return Ok(()),
                Some(ended) = clients.join_next() => if ended.is_err() {
                    error!("a WebSocket connection panicked");
                },
                (stream, peer, request) = accept(&listener, &requests) => {
                    clients.spawn(serve_client(stream, peer, request, house.clone()));
                }
            }
        }
    }
}

impl House {
    fn is_ready(&self) -> bool {
        !self.app.stopping().is_cancelled() && (self.readiness.0)()
    }

    /// Room for one more WebSocket connection. While we stop there is none: [`serve`] waits for all
    /// of it, and nobody overtakes.
    ///
    /// [`serve`]: WebSocketListening::serve
    fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().try_acquire_owned().ok()
    }
}

/// The next connection, once there is room for its request.
async fn accept(
    listener: &TcpListener,
    requests: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Never closed, so there is always a permit at last.
    let request = requests.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, request),
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                warn!(cause = %error, "cannot accept a WebSocket client");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client was gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn serve_client(
    stream: TcpStream,
    peer: SocketAddr,
    request: Option<OwnedSemaphorePermit>,
    house: Arc<House>,
) {
    if let Err(errno) = set_options(&stream) {
        debug!(%peer, cause = %errno, "a WebSocket client's socket keeps its options");
    }
    let WebSocketLimits { handshake_deadline, stall_deadline, .. } = house.limits;
    let greeted = timeout(handshake_deadline, http::greet(stream, peer, &house)).await;
    drop(request);
    match greeted {
        Ok(Ok(Some(http::Admitted { stream, read, slot }))) => {
            session::serve(stream, read, &house.app, stall_deadline).await;
            drop(slot);
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => debug!(%peer, cause = %error, "a WebSocket client sent no request"),
        Err(_) => debug!(%peer, "a WebSocket client took too long for its request"),
    }
}

/// Answers leave at once; a client whose machine has vanished gives its slot back.
fn set_options(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)
}
