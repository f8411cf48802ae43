//! Notices that a client has gone while there is nothing to write to it.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncWrite, DuplexStream, Stdout, WriteHalf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedWriteHalf, pipe};
use tokio::time::sleep;

/// How often the service looks. tokio waits for the end of an output only together with its room.
const PAUSE: Duration = Duration::from_millis(100);

/// A stream to a client.
pub(super) trait Output: AsyncWrite + Unpin {
    /// The descriptor that tells when the other end is closed, if there is one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Output for OwnedWriteHalf {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_ref().as_fd())
    }
}

impl Output for UnixStream {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Output for pipe::Sender {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Output for Stdout {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Output for WriteHalf<DuplexStream> {}

impl Output for Box<dyn Output> {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }
}

/// Waits until nobody can read the output any more. A client that has only shut down its own
/// sending still reads.
pub(super) async fn hung_up(output: &mut impl Output) -> io::Error {
    while !is_hung_up(output).await {
        sleep(PAUSE).await;
    }
    io::ErrorKind::BrokenPipe.into()
}

async fn is_hung_up(output: &mut impl Output) -> bool {
    if let Some(descriptor) = output.descriptor() {
        // The kernel reports errors and hang-ups without being asked for them.
        let mut watched = [PollFd::new(&descriptor, PollFlags::empty())];
        return matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1));
    }
    let nothing = poll_fn(|context| Poll::Ready(Pin::new(&mut *output).poll_write(context, &[])));
    matches!(nothing.await, Poll::Ready(Err(_)))
}

#[cfg(test)]
mod tests {
    use std::io::pipe as std_pipe;
    use std::os::unix::net::UnixStream as StdUnixStream;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Sink, duplex, split};
    use tokio::time::timeout;

    use super::*;

    impl Output for DuplexStream {}
    impl Output for &mut DuplexStream {}
    impl Output for Sink {}

    const PATIENCE: Duration = Duration::from_secs(10);
    /// How long the other end is watched while it is still open.
    const OPEN: Duration = Duration::from_millis(250);

    /// Asserts that the output hangs up when its other end is dropped, and neither before nor
    /// because it can be written.
    async fn hangs_up_with<T>(mut output: impl Output, other_end: T) {
        timeout(OPEN, hung_up(&mut output)).await.unwrap_err();
        output.write_all(b"answer").await.unwrap();
        timeout(OPEN, hung_up(&mut output)).await.unwrap_err();
        drop(other_end);
        let error = timeout(PATIENCE, hung_up(&mut output)).await.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn each_kind_of_output_tells_that_its_other_end_is_closed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut input, output) = ours.into_split();
        let mut theirs = theirs;
        // A client that sends nothing more still reads.
        theirs.shutdown().await.unwrap();
        assert_eq!(input.read(&mut [0]).await.unwrap(), 0);
        hangs_up_with(output, theirs).await;

        let (theirs, ours) = std_pipe().unwrap();
        hangs_up_with(pipe::Sender::from_owned_fd(ours.into()).unwrap(), theirs).await;

        let (ours, mut theirs) = duplex(64);
        theirs.shutdown().await.unwrap();
        hangs_up_with(split(ours).1, theirs).await;
    }

    #[tokio::test]
    async fn a_stream_that_waits_can_be_written_afterwards() {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = UnixStream::from_std(ours).unwrap();
        timeout(OPEN, hung_up(&mut ours)).await.unwrap_err();
        for _ in 0..8 {
            timeout(PATIENCE, ours.write_all(b"answer")).await.unwrap().unwrap();
        }
        drop(theirs);
    }
}
