use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::OpenOptionsExt as _, net::UnixStream as StdUnixStream},
    },
};

use device_key::{Peer, Transport};
use rustix::fs::{FileType, OFlags, fstat};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixStream, unix::pipe},
};

use crate::{AppServer, app_server::this_process, carry::carry};

/// Serves one client over standard input and output, under this process's user, until the input
/// ends or the server stops, and every request is answered.
///
/// An error means that the input could not be read or the output is gone.
pub async fn serve_stdio(server: &AppServer) -> io::Result<()> {
    let input = open_input()?;
    let output = open_output()?;
    let (connection, answers) = server.connect(Peer::Local(this_process(Transport::Stdio)));
    carry(connection, answers, input, output, None).await
}

/// Pipes and sockets are polled; a terminal or a file cannot be, and is read on a thread.
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

/// Opens a pipe anew: polling needs `O_NONBLOCK`, which on the inherited description would also
/// change the pipe for whoever shares it. Where that is not possible the inherited one must do.
fn own_description(path: &str, access: OFlags, inherited: impl AsFd) -> io::Result<File> {
    OpenOptions::new()
        .read(access == OFlags::RDONLY)
        .write(access == OFlags::WRONLY)
        .custom_flags(libc_flags(OFlags::NONBLOCK))
        .open(path)
        .or_else(|_| Ok(File::from(duplicate(inherited)?)))
}

fn socket(stream: impl AsFd) -> io::Result<UnixStream> {
    let stream = StdUnixStream::from(duplicate(stream)?);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn duplicate(stream: impl AsFd) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

fn libc_flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
