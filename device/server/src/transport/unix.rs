//! Serves local users over a Unix domain socket, one message a line.

pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod socket_file;

mod spare_descriptor;

use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use device_key::Peer;
use device_key_protocol::{Answer, RpcError, Version};
use device_key_types::Reason;
use rustix::io::Errno;
use rustix::net::sockopt::socket_acceptconn;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use self::credentials::PeerCredentials;
use self::error::UnixSocketError;
use self::socket_file::{SocketFile, SocketMode};
use self::spare_descriptor::SpareDescriptor;
use super::lines::carry_lines;
use crate::app_server::AppServer;
use crate::connection::Connection;

/// How long to wait before trying again when the kernel gives no connection, for example because
/// memory is used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A Unix socket on which the service listens.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    /// `None` if another process made the socket. That process removes the file.
    file: Option<SocketFile>,
    path: Option<PathBuf>,
}

impl UnixSocket {
    /// Makes the socket and listens.
    ///
    /// The folder is made if it is missing. It must belong to root or to this process's user, and
    /// others must not be able to write in it. A running service holds a lock beside its socket. A
    /// socket whose lock is free and that nobody listens on is stale and is replaced. A socket in
    /// use is [`UnixSocketError::InUse`], and a file that is not a socket is never touched. The
    /// socket gets its mode before it listens, so there is no moment at which another user could
    /// connect.
    ///
    /// Must be called within a Tokio runtime.
    pub fn bind(path: &Path, mode: SocketMode) -> Result<Self, UnixSocketError> {
        let (listener, file) = SocketFile::create(path, mode)?;
        Self::listening(StdUnixListener::from(listener), Some(file), Some(path.to_owned()))
    }

    /// Takes a socket that listens already, made by the process that started this one (systemd
    /// socket activation). A socket that does not listen is [`UnixSocketError::NotListening`].
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
        file: Option<SocketFile>,
        path: Option<PathBuf>,
    ) -> Result<Self, UnixSocketError> {
        let io = |source| UnixSocketError::Listen { source };
        listener.set_nonblocking(true).map_err(io)?;
        Ok(Self { listener: UnixListener::from_std(listener).map_err(io)?, file, path })
    }

    /// The socket's path, unless it has none.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether [`bind`](Self::bind) made the socket, so that its file is removed in the end.
    pub const fn is_ours(&self) -> bool {
        self.file.is_some()
    }

    /// Serves every connection until the server stops. Then the socket is removed, if
    /// [`bind`](Self::bind) made it; open connections go on until they are idle.
    pub async fn serve(self, server: AppServer) {
        let Self { listener, file, path } = self;
        let _open = server.opened_listener();
        info!(
            path = path.map(|path| tracing::field::display(path.display().to_string())),
            "listening"
        );
        let overflow = credentials::overflow_uid();
        let accepting = async {
            let mut spare = SpareDescriptor::default();
            let mut is_short = false;
            loop {
                spare.refill(&listener);
                let error = match listener.accept().await {
                    Ok((stream, _)) => {
                        is_short = false;
                        // A client counts from here on, so that an idle host does not stop now.
                        let open = server.opened_connection();
                        let client = serve_stream(server.clone(), stream, overflow);
                        tokio::spawn(async move {
                            client.await;
                            drop(open);
                        });
                        continue;
                    }
                    Err(error) => error,
                };
                // A shortage is logged once, not for each client.
                if !std::mem::replace(&mut is_short, true) {
                    warn!(%error, "cannot accept a connection now");
                }
                match spare.accept(&listener) {
                    Some(stream) => refuse(stream, Reason::Overloaded, server.limits().stall).await,
                    None => sleep(ACCEPT_PAUSE).await,
                }
            }
        };
        // A server that stops accepts nobody, so a client of a socket that another process made
        // waits for the next server.
        tokio::select! {
            biased;
            () = server.stopping().cancelled() => {}
            () = accepting => {}
        }
        // The file is removed before the listener is closed, so a client never finds a socket that
        // nobody listens on.
        drop(file);
    }
}

async fn serve_stream(server: AppServer, stream: UnixStream, overflow: u32) {
    let credentials = match PeerCredentials::of(&stream) {
        Ok(credentials) => credentials,
        Err(error) => {
            warn!(%error, "cannot read the credentials of a client");
            return;
        }
    };
    let stall = server.limits().stall;
    let slot = match server.connection_slot(Some(credentials.owner())) {
        Ok(slot) => slot,
        Err(reason) => {
            info!(%reason, uid = credentials.owner().as_raw(), "a connection is refused");
            refuse(stream, reason, stall).await;
            return;
        }
    };
    let peer = credentials.peer(overflow);
    if peer == Peer::Remote {
        info!("a peer whose user is not mapped in this user namespace is served as a remote peer");
    }
    let (connection, answers) = Connection::open_limited(&server, peer, slot.usage());
    let (input, output) = stream.into_split();
    if let Err(error) = carry_lines(connection, answers, input, output, Some(stall)).await {
        debug!(%error, uid = credentials.owner().as_raw(), "a connection was lost");
    }
    drop(slot);
}

/// Sends one line that says why the connection is refused, and closes it.
async fn refuse(mut stream: UnixStream, reason: Reason, time_limit: Duration) {
    let answer = Answer::failure(None, Version::default(), &RpcError::from(reason));
    // A client that does not read the line still sees that the connection ends.
    let _ = timeout(time_limit, stream.write_all(answer.as_bytes())).await;
}
