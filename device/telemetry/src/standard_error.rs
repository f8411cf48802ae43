//! Writes to standard error without the standard library's lock, which a thread that is stuck in a
//! write would hold.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};

/// Writes all bytes and removes what is written. Waits for the reader if necessary, even if the
/// stream is non-blocking.
pub(crate) fn write_all(bytes: &mut Vec<u8>) -> io::Result<()> {
    let stream = io::stderr();
    while !bytes.is_empty() {
        match write(&stream, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => drop(bytes.drain(..written)),
            // If the wait is interrupted, the write says so again.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes a last message of at most 4096 bytes, if standard error takes it within this time. A
/// failure is not reported, because there is no place left to report it.
pub fn last_words(message: &str, within: Duration) {
    let stream = io::stderr();
    let within = Timespec::try_from(within).ok();
    // A pipe that can be written takes 4096 bytes without waiting (`PIPE_BUF`, pipe(7)).
    let message = message.as_bytes();
    let message = message.get(..message.len().min(4096)).unwrap_or_default();
    if poll(&mut [PollFd::new(&stream, PollFlags::OUT)], within.as_ref()) == Ok(1) {
        let _ = write(&stream, message);
    }
}
