//! Raw TPM commands over a Unix stream, as swtpm speaks them with `--server type=unixio`.

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
    /// Connects to the socket at `path`, waiting for a place in its queue until `deadline`.
    ///
    /// swtpm lets a second client connect and serves it once the first has gone, so a successful connect
    /// does not promise that a command will be answered in time.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self, TransportError> {
        let address = SocketAddrUnix::new(path)?;
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        loop {
            // A blocking connect to a full queue obeys the send timeout (Linux, unix(7) and socket(7));
            // a non-blocking one fails at once and offers nothing to poll.
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

    /// Takes a stream socket that is connected already, for instance one half of a pair given to swtpm.
    pub fn from_connected(socket: OwnedFd) -> Result<Self, TransportError> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, poisoned: false })
    }

    fn send(&self, mut command: &[u8], deadline: Instant) -> Result<(), TransportError> {
        while !command.is_empty() {
            wait::until_ready(&self.socket, PollFlags::OUT, deadline)?;
            // NOSIGNAL: a peer that has gone is an error here, not a signal to the process.
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
                // More than was claimed: a second response, or a peer that is not in step with us.
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
