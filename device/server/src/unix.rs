//! The service's transport: newline-delimited messages over a Unix domain socket.

mod credentials;
mod error;
mod place;

use std::{
    os::unix::net::UnixListener as StdUnixListener,
    path::{Path, PathBuf},
    time::Duration,
};

use device_key::Peer;
use device_key_protocol::{Answer, RpcError, Version};
use device_key_types::Reason;
use rustix::{io::Errno, net::sockopt::socket_acceptconn};
use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

pub use credentials::PeerCredentials;
pub use error::UnixSocketError;
use place::Place;

use crate::{AppServer, carry::carry};

/// How long to wait when the kernel gives no more connections, because descriptors or memory are
/// used up: until some client has gone.
const PAUSE: Duration = Duration::from_millis(100);

/// Who may connect, by the permission bits of socket and folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// Every user of the machine (socket 0666, a folder that is made 0755): the kernel tells who it
    /// is, and each has keys of his own.
    Everybody,
    /// Only the service's own user (socket 0600, a folder that is made 0700).
    OwnUser,
}

/// A Unix socket on which the service listens.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    /// `None` if somebody else made the socket, and removes it.
    place: Option<Place>,
    path: Option<PathBuf>,
}

impl UnixSocket {
    /// Makes the socket and listens.
    ///
    /// The folder is made if it is missing; it must be root's or ours, and nobody else's to write
    /// in. A lock beside the socket says that its service lives, so a socket without one that
    /// nobody answers on is stale and is replaced; a live one is [`UnixSocketError::InUse`], and
    /// what is no socket is never touched. Modes are set before the socket listens, so there is no
    /// moment at which somebody else could connect.
    ///
    /// Must be called within a Tokio runtime.
    pub fn bind(path: &Path, mode: SocketMode) -> Result<Self, UnixSocketError> {
        let (listener, place) = Place::take(path, mode)?;
        Self::listening(StdUnixListener::from(listener), Some(place), Some(path.to_owned()))
    }

    /// Takes a socket that listens already, made by whoever started us (systemd socket
    /// activation). One that does not is [`UnixSocketError::NotListening`].
    pub fn adopt(listener: StdUnixListener) -> Result<Self, UnixSocketError> {
        let io = |errno: Errno| UnixSocketError::Listen { source: errno.into() };
        if !socket_acceptconn(&listener).map_err(io)? {
            return Err(UnixSocketError::NotListening);
        }
        let path = listener.local_addr().ok();
        let path = path.as_ref().and_then(|address| address.as_pathname().map(Path::to_owned));
        Self::listening(listener, None, path)
    }

    fn listening(
        listener: StdUnixListener,
        place: Option<Place>,
        path: Option<PathBuf>,
    ) -> Result<Self, UnixSocketError> {
        let io = |source| UnixSocketError::Listen { source };
        listener.set_nonblocking(true).map_err(io)?;
        Ok(Self { listener: UnixListener::from_std(listener).map_err(io)?, place, path })
    }

    /// Where it is, unless it is nameless.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether we made it, and remove it in the end.
    pub const fn is_ours(&self) -> bool {
        self.place.is_some()
    }

    /// Serves every connection until the server stops. The socket is removed then, if we made it;
    /// connections that are open go on until they are idle.
    pub async fn serve(self, server: AppServer) {
        let Self { listener, place, path } = self;
        let _open = server.opened();
        info!(
            path = path.map(|path| tracing::field::display(path.display().to_string())),
            "listening"
        );
        let overflow = credentials::overflow_uid();
        let accepting = async {
            let mut is_short = false;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        is_short = false;
                        tokio::spawn(serve_stream(server.clone(), stream, overflow));
                    }
                    Err(error) => {
                        // Once, and not ten times a second for as long as it lasts.
                        if !std::mem::replace(&mut is_short, true) {
                            warn!(%error, "no connection can be taken now");
                        }
                        sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = server.stopping().cancelled() => {}
        }
        // Before the listener: who looks for us finds us, or nothing.
        drop(place);
    }
}

async fn serve_stream(server: AppServer, stream: UnixStream, overflow: u32) {
    let credentials = match PeerCredentials::of(&stream) {
        Ok(credentials) => credentials,
        Err(error) => {
            warn!(%error, "the kernel does not tell who connects");
            return;
        }
    };
    let stall = server.limits().stall;
    let admitted = match server.admit(Some(credentials.owner())) {
        Ok(admitted) => admitted,
        Err(reason) => {
            info!(%reason, uid = credentials.owner().as_raw(), "a connection is refused");
            refuse(stream, reason, stall).await;
            return;
        }
    };
    let peer = credentials.peer(overflow);
    if peer == Peer::Remote {
        info!("a peer whose user is not mapped here is served as a remote one");
    }
    let (connection, answers) = server.connect(peer);
    let (input, output) = stream.into_split();
    if let Err(error) = carry(connection, answers, input, output, Some(stall)).await {
        debug!(%error, uid = credentials.owner().as_raw(), "a connection was lost");
    }
    drop(admitted);
}

/// One line that says why, and the end.
async fn refuse(mut stream: UnixStream, reason: Reason, patience: Duration) {
    let answer = Answer::failure(None, Version::default(), &RpcError::from(reason));
    // Who does not read it learns as much from the end of the connection.
    let _ = timeout(patience, stream.write_all(answer.as_bytes())).await;
}
