//! Raw TPM commands over a Unix stream socket, as swtpm accepts them with `--server type=unixio`.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use super::{Transport, TransportError, check_command, claimed_length, wait};
use crate::marshal::MAX_MESSAGE;

/// A connected Unix stream socket.
#[derive(Debug)]
pub struct UnixStream {
    socket: OwnedFd,
    poisoned: bool,
}

impl UnixStream {
    /// Connects to the socket at `path`, and waits for a place in the queue of the socket until
    /// `deadline`.
    ///
    /// swtpm lets a second client connect and serves it after the first client has disconnected. A
    /// successful connect therefore does not promise that a command will be answered in time.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self, TransportError> {
        let address = SocketAddrUnix::new(path)?;
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        loop {
            // A blocking connect to a full queue obeys the send timeout (Linux, unix(7) and
            // socket(7)). A non-blocking connect fails at once and leaves nothing to poll.
            let left = deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or(TransportError::TimedOut)?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(left))?;
            match rustix::net::connect(&socket, &address) {
                Ok(()) => return Self::from_connected(socket),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(TransportError::TimedOut),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes a stream socket that is connected already, for instance one half of a pair whose other
    /// half swtpm has.
    pub fn from_connected(socket: OwnedFd) -> Result<Self, TransportError> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, poisoned: false })
    }

    fn send(&self, mut command: &[u8], deadline: Instant) -> Result<(), TransportError> {
        while !command.is_empty() {
            wait::until_ready(&self.socket, PollFlags::OUT, deadline)?;
            // With NOSIGNAL, a closed connection is an error here and not a signal to the process.
            match rustix::net::send(&self.socket, command, SendFlags::NOSIGNAL) {
                Ok(sent) => command = command.get(sent..).unwrap_or_default(),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn receive(&self, deadline: Instant) -> Result<Vec<u8>, TransportError> {
        let mut received = Vec::with_capacity(MAX_MESSAGE);
        let mut chunk = [0; MAX_MESSAGE];
        loop {
            match claimed_length(&received)? {
                Some(length) if received.len() == length => return Ok(received),
                // There are more bytes than the header claims: a second response, or a peer that is
                // out of step.
                Some(length) if received.len() > length => return Err(TransportError::Malformed),
                _ => {}
            }
            wait::until_ready(&self.socket, PollFlags::IN, deadline)?;
            match rustix::net::recv(&self.socket, &mut chunk, RecvFlags::empty()) {
                Ok((0, _)) => return Err(TransportError::Disconnected),
                Ok((count, _)) => {
                    received.extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Transport for UnixStream {
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError> {
        check_command(command)?;
        if self.poisoned {
            return Err(TransportError::Poisoned);
        }
        let result = self.send(command, deadline).and_then(|()| self.receive(deadline));
        self.poisoned = result.is_err();
        result
    }
}
