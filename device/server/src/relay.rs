//! Standard input and output on one side, the service's socket on the other, byte for byte. A client
//! that spawns a child over stdio uses the service through it.

use std::{
    fs::File,
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, retry_on_intr, write},
};
use tokio::net::UnixStream;

use crate::PeerCredentials;

const CHUNK_BYTES: usize = 64 * 1024;

/// The service to relay to, and who it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayTarget {
    /// The socket. No other is ever tried.
    pub path: PathBuf,
    /// The service's user id. A listener of root, which is who makes the socket under socket
    /// activation, is trusted as well.
    pub service_uid: Option<u32>,
}

/// Why nothing is relayed any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Nobody listens there.
    #[error("no service listens on {}", path.display())]
    NoService {
        /// The socket.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// Somebody else listens there. Nothing was sent.
    #[error("{} belongs to user {found}, who is not the service", path.display())]
    NotTheService {
        /// The socket.
        path: PathBuf,
        /// The user id of who made it listen.
        found: u32,
    },
    /// The service or the client is gone, in the middle of it.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
}

/// Relays until the service has answered everything after the end of the input. That it ends before
/// is [`RelayError::Lost`].
///
/// Nothing is read or sent before the kernel has told that the listener is root's or the
/// service's. The input is read on a thread that ends with the process.
pub fn relay_stdio(target: &RelayTarget) -> Result<(), RelayError> {
    let service = connect(target)?;
    let requests = service.try_clone().map_err(RelayError::Lost)?;
    let has_ended = Arc::new(AtomicBool::new(false));
    let input_has_ended = Arc::clone(&has_ended);
    thread::Builder::new()
        .name("relay-input".to_owned())
        .spawn(move || {
            // The end of the input, however it comes, ends the requests; the answers tell the rest.
            let copied = own(io::stdin()).and_then(|input| copy(&input, &requests));
            input_has_ended.store(copied.is_ok(), Ordering::Release);
            let _ = requests.shutdown(Shutdown::Write);
        })
        .map_err(RelayError::Lost)?;
    own(io::stdout()).and_then(|output| copy(&service, &output)).map_err(RelayError::Lost)?;
    // Set before the service can know of the end, let alone answer it.
    if has_ended.load(Ordering::Acquire) {
        Ok(())
    } else {
        Err(RelayError::Lost(io::ErrorKind::UnexpectedEof.into()))
    }
}

/// The stream without the buffer that the standard library keeps in front of it.
fn own(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

fn connect(target: &RelayTarget) -> Result<StdUnixStream, RelayError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(RelayError::Lost)?;
    let stream = runtime.block_on(connect_to(&target.path, target.service_uid))?;
    stream.set_nonblocking(false).map_err(RelayError::Lost)?;
    Ok(stream)
}

async fn connect_to(path: &Path, service_uid: Option<u32>) -> Result<StdUnixStream, RelayError> {
    let stream = UnixStream::connect(path)
        .await
        .map_err(|source| RelayError::NoService { path: path.to_owned(), source })?;
    // The credentials are those of the process that called listen(2) (unix(7)).
    let found = PeerCredentials::of(&stream).map_err(RelayError::Lost)?.owner().as_raw();
    if found != 0 && Some(found) != service_uid {
        return Err(RelayError::NotTheService { path: path.to_owned(), found });
    }
    stream.into_std().map_err(RelayError::Lost)
}

/// Passes on what has come, as soon as it has come.
fn copy(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = patiently(&from, PollFlags::IN, |from| read(from, &mut chunk))?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = chunk.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            let written = patiently(&to, PollFlags::OUT, |to| write(to, rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}

/// Who spawned us may have made the streams non-blocking, for himself or for us.
fn patiently(
    stream: impl AsFd,
    readiness: PollFlags,
    mut operation: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match operation(stream.as_fd()) {
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::new(&stream, readiness)];
                retry_on_intr(|| poll(&mut waiting, None))?;
            }
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
