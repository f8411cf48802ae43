//! A TCP listener that serves a bounded number of clients at a time.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::{debug, warn};

/// How long to wait after an error that may pass, such as too many open files or too little memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may be silent before keepalive probes are sent. With the probes, a client
/// whose machine has vanished is noticed after a minute and a half.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// A socket that listens already. Clients that connect wait in the kernel's queue.
#[derive(Debug)]
pub struct ListeningSocket {
    listener: StdTcpListener,
    address: SocketAddr,
}

/// A listening socket whose clients are being accepted.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    slots: Arc<Semaphore>,
}

/// A client that has connected.
#[derive(Debug)]
pub struct AcceptedClient {
    /// The connection, with its options set: answers leave at once, and keepalive probes are sent.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// The slot that the client takes up. Dropping it frees the slot for another client.
    pub slot: Option<OwnedSemaphorePermit>,
}

impl ListeningSocket {
    /// Listens on an address. Port 0 takes any free port.
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

    /// Begins to accept clients, at most this number at a time. Further clients wait in the
    /// kernel's queue.
    ///
    /// Must be called within a Tokio runtime with I/O. Fails if the runtime does not take the
    /// socket.
    pub fn into_acceptor(self, clients: usize) -> io::Result<Acceptor> {
        let listener = TcpListener::from_std(self.listener)?;
        Ok(Acceptor { listener, slots: Arc::new(Semaphore::new(clients)) })
    }
}

impl Acceptor {
    /// Waits for a free slot, then for the next client. The future may be dropped at any time
    /// without losing a client.
    ///
    /// A client that was gone before it could be accepted is skipped. If the kernel gives no
    /// connection, for example because descriptors are used up, this waits a moment and tries
    /// again.
    pub async fn accept(&self) -> AcceptedClient {
        // The semaphore is never closed, so a permit always comes.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let mut is_short = false;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(errno) = set_options(&stream) {
                        debug!(%peer, cause = %errno, "cannot set the options of a client's socket");
                    }
                    return AcceptedClient { stream, peer, slot };
                }
                Err(error) if is_client_gone(&error) => {}
                Err(error) => {
                    // A shortage is logged once, not ten times a second.
                    if !std::mem::replace(&mut is_short, true) {
                        warn!(cause = %error, "cannot accept a client");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_client_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn set_options(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn clients_get_their_options_and_wait_for_a_free_slot() {
        let socket = ListeningSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.address();
        let acceptor = socket.into_acceptor(1).unwrap();
        let _clients = (
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        );
        let first = acceptor.accept().await;
        assert!(first.stream.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&first.stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&first.stream).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&first.stream).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&first.stream).unwrap(), KEEPALIVE_PROBES);

        let mut second = Box::pin(acceptor.accept());
        tokio::select! {
            biased;
            _ = &mut second => panic!("there is one slot"),
            () = sleep(ACCEPT_PAUSE) => {}
        }
        drop(first);
        second.await;
    }
}
