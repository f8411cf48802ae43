//! HTTP/1.1 and WebSocket in front of a [`RelyingParty`].

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{Accounts, RelyingParty, RelyingPartyLimits};

mod extract;
mod handshake;
mod refusal;
mod routes;
mod session;
mod upgrade;
mod wire;

/// Of a request's line and headers; more are 431. The longest statement that a device signs is 4 KiB,
/// and a third longer in a header.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
/// After an error that waiting may cure: too many open files, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client whose machine has vanished is noticed after one minute of silence and a half.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// A socket that listens. Clients can connect from now on, and are served by [`serve`](Self::serve).
///
/// There is no TLS: what ends it for clients stands in front.
#[derive(Debug)]
pub struct Listening {
    listener: StdTcpListener,
    address: SocketAddr,
}

/// What all requests share.
struct House {
    relying_party: RelyingParty,
    accounts: Arc<dyn Accounts>,
    /// Room for open connections of devices.
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    /// Connections of either kind.
    tasks: TaskTracker,
}

impl Listening {
    /// Listens on an address; port 0 takes any.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = StdTcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until it is stopped; then it takes no more, tells those that are connected, and
    /// waits for them as long as [`RelyingPartyLimits::stop_deadline`] allows. It must run within a Tokio runtime
    /// with I/O and time.
    ///
    /// Fails if the runtime does not take the listener.
    pub async fn serve(
        self,
        relying_party: RelyingParty,
        accounts: Arc<dyn Accounts>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let limits = relying_party.limits().clone();
        let house = Arc::new(House {
            slots: Arc::new(Semaphore::new(limits.device_connections.into())),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
            relying_party,
            accounts,
        });
        let router = routes::router(&house);
        let accepting = async {
            let requests = Arc::new(Semaphore::new(limits.http_connections.into()));
            loop {
                let (stream, peer, permit) = accept(&listener, &requests).await;
                let (router, stop, limits) = (router.clone(), stop.clone(), limits.clone());
                house.tasks.spawn(async move {
                    serve_client(stream, peer, router, &limits, &stop).await;
                    drop(permit);
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            () = house.relying_party.run_maintenance(&stop) => {}
        }
        drop(listener);
        house.tasks.close();
        if timeout(limits.stop_deadline, house.tasks.wait()).await.is_err() {
            warn!(left = house.tasks.len(), "connections did not end in time");
        }
        Ok(())
    }
}

/// The next connection, once there is room for its requests.
async fn accept(
    listener: &TcpListener,
    requests: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Never closed, so there is always a permit at last.
    let permit = requests.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                warn!(cause = %error, "cannot accept a client");
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
    router: Router,
    limits: &RelyingPartyLimits,
    stop: &CancellationToken,
) {
    if let Err(errno) = set_options(&stream) {
        debug!(%peer, cause = %errno, "a client's socket keeps its options");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also of the time between two requests.
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

/// Answers leave at once; a client whose machine has vanished gives its slot back.
fn set_options(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("relying_party", &self.relying_party).finish_non_exhaustive()
    }
}
