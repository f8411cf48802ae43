//! Waits for child processes, but not for ever.

use std::io;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Waits until the child has ended, at most for this time. Returns `None` if the child still runs.
///
/// # Errors
///
/// Fails if the operating system cannot wait for the child.
pub fn within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    if let Some(status) = child.try_wait()? {
        return Ok(Some(status));
    }
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    retry_on_intr(|| poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)))?;
    child.try_wait()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_wait_ends_with_the_child_or_with_its_limit() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(within(&mut child, Duration::from_millis(50)).unwrap(), None);
        drop(child.stdin.take());
        let status = within(&mut child, Duration::from_mins(1)).unwrap();
        assert!(status.is_some_and(|status| status.success()));
        // The status of a child that was waited for is still known.
        assert_eq!(within(&mut child, Duration::ZERO).unwrap(), status);
    }
}
