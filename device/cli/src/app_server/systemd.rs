//! Tells systemd what the service does (`sd_notify(3)`), if systemd wants to know.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{env, io};

use tracing::warn;

/// What the end of the process may take in addition to the requests in flight.
const MARGIN: Duration = Duration::from_secs(10);

/// The socket of systemd. `None` if systemd named none.
pub(super) struct Systemd(Option<io::Result<UnixDatagram>>);

impl Systemd {
    /// Connects to the socket that `NOTIFY_SOCKET` names. Must be called before the hardening,
    /// which forbids new connections to abstract sockets of other processes.
    pub(super) fn connect() -> Self {
        Self(
            env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()).map(|name| connect(&name)),
        )
    }

    /// The service serves its sockets.
    pub(super) fn ready(&self) {
        self.notify("READY=1\n");
    }

    /// The service stops, and its requests in flight may take this time. systemd waits for them
    /// even if `TimeoutStopSec=` is shorter.
    pub(super) fn stopping(&self, within: Duration) {
        let within = within.saturating_add(MARGIN).as_micros();
        self.notify(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={within}\n"));
    }

    /// Does not wait if systemd does not read.
    fn notify(&self, state: &str) {
        let sent = match &self.0 {
            None => return,
            Some(Ok(socket)) => socket.send(state.as_bytes()).map(drop),
            Some(Err(error)) => Err(error.kind().into()),
        };
        if let Err(error) = sent {
            warn!(%error, "cannot notify systemd");
        }
    }
}

/// A name that begins with `@` is abstract (unix(7)).
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
