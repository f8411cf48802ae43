//! Waits for a descriptor until a deadline, and continues after signals.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::TransportError;

/// Returns when the descriptor has one of `flags`, or when the other side has closed it. The next
/// read or write shows which.
pub(super) fn until_ready(
    descriptor: impl AsFd,
    flags: PollFlags,
    deadline: Instant,
) -> Result<(), TransportError> {
    loop {
        let left = deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or(TransportError::TimedOut)?;
        let timeout = Timespec::try_from(left).map_err(|_| TransportError::TimedOut)?;
        let mut waited = [PollFd::new(&descriptor, flags)];
        match poll(&mut waited, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
