//! Serves a [`RelyingParty`] over HTTP/1.1 and WebSocket.

mod extract;
mod refusal;
mod routes;
mod session;
mod state;
mod upgrade;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use device_key_websocket::{AcceptedClient, ListeningSocket, Probe};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::accounts::Accounts;
use crate::limits::RelyingPartyLimits;
use crate::relying_party::RelyingParty;
use state::HttpState;

/// The most bytes of a request's line and headers; longer requests are answered with 431.
/// The longest statement that a device signs has 4 KiB, and base64 makes it a third longer.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// A socket that listens. Clients can connect from now on; [`serve`](Self::serve) serves them.
///
/// The socket does not speak TLS: a proxy in front of the service must terminate TLS.
#[derive(Debug)]
pub struct Listening {
    socket: ListeningSocket,
}

impl Listening {
    /// Listens on an address. Port 0 takes any free port.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        ListeningSocket::bind(address).map(|socket| Self { socket })
    }

    /// The address, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// Serves clients until `stop` is cancelled. Then it accepts no more, tells the connected
    /// clients to leave, and waits for them as long as [`RelyingPartyLimits::stop_deadline`]
    /// allows. It must run within a Tokio runtime with I/O and time.
    ///
    /// Fails if the listener cannot be registered with the runtime.
    pub async fn serve(
        self,
        relying_party: RelyingParty,
        accounts: Arc<dyn Accounts>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let limits = relying_party.limits().clone();
        let acceptor = self.socket.into_acceptor(limits.http_connections.into())?;
        let relying_party = Arc::new(relying_party);
        let probed = Arc::clone(&relying_party);
        let readiness = Probe::new(move || {
            let relying_party = Arc::clone(&probed);
            async move { relying_party.ready().await.map_err(Arc::new) }
        });
        let state = Arc::new(HttpState {
            readiness,
            device_slots: Arc::new(Semaphore::new(limits.device_connections.into())),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
            relying_party,
            accounts,
        });
        let router = routes::router(&state);
        let accepting = async {
            loop {
                let AcceptedClient { stream, peer, slot } = acceptor.accept().await;
                let (router, stop, limits) = (router.clone(), stop.clone(), limits.clone());
                state.tasks.spawn(async move {
                    serve_client(stream, peer, router, &limits, &stop).await;
                    drop(slot);
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            () = state.relying_party.run_maintenance(&stop) => {}
        }
        drop(acceptor);
        state.tasks.close();
        if timeout(limits.stop_deadline, state.tasks.wait()).await.is_err() {
            warn!(left = state.tasks.len(), "connections did not end in time");
        }
        Ok(())
    }
}

async fn serve_client(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: &RelyingPartyLimits,
    stop: &CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Bounds the time between two requests, too.
        .header_read_timeout(limits.request_deadline)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%peer, cause = %error, "a client's connection failed");
    }
}
