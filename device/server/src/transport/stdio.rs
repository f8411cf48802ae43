//! Serves the one client that spawned this process, over standard input and output.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;

use device_key::{Peer, Transport};
use rustix::fs::{FileType, OFlags, fstat};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::lines::carry_lines;
use crate::app_server::{AppServer, this_process};
use crate::connection::Connection;

/// Serves one client over standard input and output, under this process's user, until the input
/// ends or the server stops, and every request is answered.
///
/// Fails if the input cannot be read or the output is gone.
pub async fn serve_stdio(server: &AppServer) -> io::Result<()> {
    let input = open_input()?;
    let output = open_output()?;
    let peer = Peer::Local(this_process(Transport::Stdio));
    let (connection, answers) = Connection::open(server, peer);
    carry_lines(connection, answers, input, output, None).await
}

/// Pipes and sockets are polled. A terminal or a file cannot be polled, so it is read on a thread.
fn open_input() -> io::Result<Box<dyn AsyncRead + Unpin>> {
    let stdin = io::stdin();
    Ok(match stream_type(stdin.as_fd())? {
        FileType::Fifo => {
            let pipe = own_description("/proc/self/fd/0", OFlags::RDONLY, stdin.as_fd())?;
            Box::new(pipe::Receiver::from_file(pipe)?)
        }
        FileType::Socket => Box::new(socket(stdin.as_fd())?),
        _ => Box::new(tokio::io::stdin()),
    })
}

fn open_output() -> io::Result<Box<dyn AsyncWrite + Unpin>> {
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
