//! Copies between the standard streams and the service's socket, byte for byte, for clients that
//! can only spawn a child process.

mod requests;

use std::fs::File;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, retry_on_intr, write};

use self::requests::Requests;

const CHUNK_BYTES: usize = 64 * 1024;

/// Relays between the standard streams and the service until the service has answered everything
/// that came before the end of the input. A connection that ends before that is an error.
///
/// The input is read on a thread that ends with the process.
pub fn relay_stdio(service: &UnixStream) -> io::Result<()> {
    let to_service = service.try_clone()?;
    let asked = Arc::new(OnceLock::new());
    let told = Arc::clone(&asked);
    thread::Builder::new().name("relay-input".to_owned()).spawn(move || {
        let mut requests = Requests::default();
        let copied = unbuffered(io::stdin())
            .and_then(|input| copy(&input, &to_service, |chunk| requests.read(chunk)));
        // The requests end with the input, even if reading the input failed. Then nobody is told
        // the number of requests, and the relay fails.
        if copied.is_ok() {
            let _ = told.set(requests.finish());
        }
        let _ = to_service.shutdown(Shutdown::Write);
    })?;
    let mut answered = 0_usize;
    unbuffered(io::stdout()).and_then(|output| {
        copy(service, &output, |chunk| answered = answered.saturating_add(lines(chunk)))
    })?;
    // The number of requests is set before the service can see their end.
    match asked.get() {
        Some(asked) if *asked <= answered => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn lines(chunk: &[u8]) -> usize {
    chunk.split(|byte| *byte == b'\n').count().saturating_sub(1)
}

/// Duplicates the stream, because the standard library keeps a buffer in front of its own handle.
fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Copies until the end of the input, and shows each chunk. Every chunk is written as soon as it is
/// read.
fn copy(from: impl AsFd, to: impl AsFd, mut show: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = retried(&from, PollFlags::IN, |from| read(from, &mut chunk))?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = chunk.get(..length).unwrap_or_default();
        show(rest);
        while !rest.is_empty() {
            let written = retried(&to, PollFlags::OUT, |to| write(to, rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}

/// Retries until the operation is done. The process that spawned us may have made the streams
/// non-blocking.
fn retried(
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
