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

    /// Closes the spare descriptor and accepts a client that waits. Returns `None` if there is no
    /// spare descriptor, or if another thread took the descriptor that was closed. Drop the client
    /// before the next [`refill`](Self::refill).
    pub(super) fn accept(&mut self, listener: &UnixListener) -> Option<UnixStream> {
        drop(self.descriptor.take()?);
        let (stream, _) = listener.accept().now_or_never()?.ok()?;
        Some(stream)
    }
}
