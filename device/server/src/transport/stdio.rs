//! Serves one client over standard input and output.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;

use device_key::{Peer, Transport};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType, getpeername};
use rustix::process::geteuid;
use tokio::io::AsyncRead;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::hang_up::Output;
use super::lines::carry_lines;
use super::unix::credentials::{PeerCredentials, overflow_uid};
use super::unix::socket_file::SocketMode;
use crate::app_server::{AppServer, this_process};
use crate::connection::Connection;

/// Standard input and output of this process, and the client at their other end.
pub struct Stdio {
    input: Box<dyn AsyncRead + Unpin>,
    output: Box<dyn Output>,
    peer: Peer,
}

/// Why standard input and output are not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdioError {
    /// Standard input is a socket of another kind, listens, or is not connected. The kernel does
    /// not tell which user sends through such a socket.
    #[error("standard input is a socket, but not a connected Unix stream socket")]
    NotConnection,
    /// The process serves every user, but standard input is not a socket, so the kernel does not
    /// tell which user the client is.
    #[error("standard input does not tell which user the client is")]
    UnknownClient,
    /// The process serves its own user only, and another user has made the socket or connected to
    /// it.
    #[error("the client at standard input is user {client}, and only user {expected} is served")]
    OtherUser {
        /// The client's user id.
        client: u32,
        /// This process's user id.
        expected: u32,
    },
    /// Standard input or output cannot be used.
    #[error("standard input or output cannot be used")]
    Io(#[from] io::Error),
}

impl Stdio {
    /// Opens standard input and output, and finds out who the client is.
    ///
    /// If standard input is a socket, the kernel tells the client's user (`SO_PEERCRED`). With
    /// [`SocketMode::OwnUser`] the client must be this process's user, and is served as the parent
    /// of this process. With [`SocketMode::Everybody`] the client is served as on a socket of the
    /// service, and standard input must be a socket.
    ///
    /// Must be called within a Tokio runtime.
    pub fn open(mode: SocketMode) -> Result<Self, StdioError> {
        let stdin = io::stdin();
        let (input, peer): (Box<dyn AsyncRead + Unpin>, _) = match stream_type(stdin.as_fd())? {
            FileType::Socket => {
                let stream = connection(stdin.as_fd())?;
                let peer = client(&stream, mode)?;
                (Box::new(stream), peer)
            }
            _ if mode == SocketMode::Everybody => return Err(StdioError::UnknownClient),
            FileType::Fifo => {
                let pipe = own_description("/proc/self/fd/0", OFlags::RDONLY, stdin.as_fd())?;
                (Box::new(pipe::Receiver::from_file(pipe)?), parent())
            }
            // A terminal or a file cannot be polled, so it is read on a thread.
            _ => (Box::new(tokio::io::stdin()), parent()),
        };
        Ok(Self { input, output: open_output()?, peer })
    }

    /// Serves the client until the input ends or the server stops, and every request is answered.
    ///
    /// Fails if the input cannot be read or the output is gone.
    pub async fn serve(self, server: &AppServer) -> io::Result<()> {
        let Self { input, output, peer } = self;
        let (connection, answers) = Connection::open(server, peer);
        carry_lines(connection, answers, input, output, None).await
    }
}

/// The process that started this one, and so has its user.
fn parent() -> Peer {
    Peer::Local(this_process(Transport::Stdio))
}

/// Takes standard input if it is a connected Unix socket. Its other end may be anything that the
/// process was started with: a socket pair of the parent, or a client of a socket of systemd.
fn connection(stdin: impl AsFd) -> Result<UnixStream, StdioError> {
    let is_connection = socket_domain(&stdin).map_err(io::Error::from)? == AddressFamily::UNIX
        && socket_type(&stdin).map_err(io::Error::from)? == SocketType::STREAM
        && !socket_acceptconn(&stdin).map_err(io::Error::from)?;
    if !is_connection {
        return Err(StdioError::NotConnection);
    }
    match getpeername(&stdin) {
        Ok(_) => Ok(socket(stdin)?),
        Err(Errno::NOTCONN) => Err(StdioError::NotConnection),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

/// The client at the other end of standard input.
fn client(stream: &UnixStream, mode: SocketMode) -> Result<Peer, StdioError> {
    let credentials = PeerCredentials::of(stream)?;
    match mode {
        SocketMode::Everybody => Ok(credentials.peer(overflow_uid())),
        SocketMode::OwnUser => {
            let (client, expected) = (credentials.owner().as_raw(), geteuid().as_raw());
            if client == expected {
                Ok(parent())
            } else {
                Err(StdioError::OtherUser { client, expected })
            }
        }
    }
}

/// Pipes and sockets are polled. A terminal or a file is written on a thread.
fn open_output() -> io::Result<Box<dyn Output>> {
    let stdout = io::stdout();
    Ok(match stream_type(stdout.as_fd())? {
        FileType::Fifo => {
            let pipe = own_description("/proc/self/fd/1", OFlags::WRONLY, stdout.as_fd())?;
            Box::new(pipe::Sender::from_file(pipe)?)
        }
        FileType::Socket => Box::new(socket(stdout.as_fd())?),
        _ => Box::new(tokio::io::stdout()),
    })
}

fn stream_type(stream: impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(stream)?.st_mode))
}

/// Opens a pipe anew. Polling needs `O_NONBLOCK`, and setting that flag on the inherited
/// description would also change the pipe for the processes that share the description. If the pipe
/// cannot be opened anew, the inherited description is used.
fn own_description(path: &str, access: OFlags, inherited: impl AsFd) -> io::Result<File> {
    OpenOptions::new()
        .read(access == OFlags::RDONLY)
        .write(access == OFlags::WRONLY)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .or_else(|_| Ok(File::from(inherited.as_fd().try_clone_to_owned()?)))
}

fn socket(stream: impl AsFd) -> io::Result<UnixStream> {
    let stream = StdUnixStream::from(stream.as_fd().try_clone_to_owned()?);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
