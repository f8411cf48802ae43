//! Accepts clients although the process has no free file descriptor, to tell them so.

use std::os::fd::{AsFd as _, OwnedFd};

use futures_util::FutureExt as _;
use tokio::net::{UnixListener, UnixStream};

/// A descriptor that is given up for a client that would otherwise wait without a word.
#[derive(Default)]
pub(super) struct SpareDescriptor {
    descriptor: Option<OwnedFd>,
}

impl SpareDescriptor {
    /// Takes a descriptor, if there is none and the process may have one more.
    pub(super) fn refill(&mut self, listener: &UnixListener) {
        if self.descriptor.is_none() {
            self.descriptor = listener.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Gives the descriptor up for a client that waits. `None` if there is no descriptor, or
    /// another thread took it first. The client must be gone before the next
    /// [`refill`](Self::refill).
    pub(super) fn accept(&mut self, listener: &UnixListener) -> Option<UnixStream> {
        drop(self.descriptor.take()?);
        let (stream, _) = listener.accept().now_or_never()?.ok()?;
        Some(stream)
    }
}
