use std::{future::poll_fn, io, pin::pin, task::Poll, time::Duration};

use device_key_protocol::Answer;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

/// Unwritten answers beyond which nothing more is taken on: a client that does not read holds
/// little more than this, and one that does has it read in one go.
const FULL_BYTES: usize = 64 * 1024;

/// Answers on their way to a client, as bytes.
pub(super) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    must_flush: bool,
    stall: Option<Duration>,
    /// When the client last took something, since it takes nothing any more.
    stalled_since: Option<Instant>,
}

impl Outbox {
    /// Fails when nobody takes anything for the `stall` time, if there is one.
    pub(super) const fn new(stall: Option<Duration>) -> Self {
        Self { bytes: Vec::new(), written: 0, must_flush: false, stall, stalled_since: None }
    }

    pub(super) fn push(&mut self, answer: &Answer) {
        if self.written >= FULL_BYTES {
            // A client that always leaves something unread must not let it grow.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(answer.as_bytes());
        self.must_flush = true;
    }

    pub(super) const fn has_room(&self) -> bool {
        self.bytes.len() - self.written < FULL_BYTES
    }

    /// Whether everything is with the client.
    pub(super) const fn is_empty(&self) -> bool {
        !self.must_flush
    }

    /// Writes as much as the client takes at once. May be dropped and called again.
    pub(super) async fn write_some(
        &mut self,
        output: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let unwritten = self.bytes.get(self.written..).unwrap_or_default();
        if !unwritten.is_empty() {
            let writing = output.write(unwritten);
            let written = in_time(writing, self.stall, &mut self.stalled_since).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += written;
        }
        if self.written == self.bytes.len() {
            in_time(output.flush(), self.stall, &mut self.stalled_since).await?;
            self.forget();
        }
        Ok(())
    }

    /// All is written. What a burst needed is not kept for the quiet after it.
    fn forget(&mut self) {
        if self.bytes.capacity() > FULL_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.written = 0;
        self.must_flush = false;
    }
}

/// Waits for a step no longer than the stall time. Most of the time there is room for it at once, and
/// then no clock is read.
async fn in_time<T>(
    step: impl Future<Output = io::Result<T>>,
    stall: Option<Duration>,
    stalled_since: &mut Option<Instant>,
) -> io::Result<T> {
    let mut step = pin!(step);
    let at_once = poll_fn(|context| Poll::Ready(step.as_mut().poll(context))).await;
    let done = match (at_once, stall) {
        (Poll::Ready(done), _) => done?,
        (Poll::Pending, None) => step.await?,
        (Poll::Pending, Some(stall)) => {
            let since = *stalled_since.get_or_insert_with(Instant::now);
            timeout_at(since + stall, step).await??
        }
    };
    *stalled_since = None;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use device_key_protocol::{Answer, RpcError, Version};
    use device_key_types::Reason;
    use tokio::{
        io::{AsyncReadExt as _, duplex},
        time::{Instant, timeout},
    };

    use super::{FULL_BYTES, Outbox};

    fn answer() -> Answer {
        Answer::failure(None, Version::Stated, &RpcError::from(Reason::ParseError))
    }

    #[tokio::test]
    async fn a_client_that_never_catches_up_holds_no_more_than_one_that_reads_nothing() {
        let (mut ours, mut theirs) = duplex(512);
        let mut outbox = Outbox::new(None);
        let (mut sent, mut taken) = (Vec::new(), Vec::new());
        let mut chunk = [0; 512];
        while sent.len() < 10 * FULL_BYTES {
            while outbox.has_room() {
                outbox.push(&answer());
                sent.extend_from_slice(answer().as_bytes());
            }
            outbox.write_some(&mut ours).await.unwrap();
            let length = theirs.read(&mut chunk).await.unwrap();
            taken.extend_from_slice(&chunk[..length]);
            assert!(outbox.bytes.len() < 3 * FULL_BYTES, "{}", outbox.bytes.len());
        }
        while !outbox.is_empty() {
            outbox.write_some(&mut ours).await.unwrap();
            let length = theirs.read(&mut chunk).await.unwrap();
            taken.extend_from_slice(&chunk[..length]);
        }
        assert!(taken == sent, "byte for byte");
        assert!(outbox.bytes.capacity() <= FULL_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_a_little_is_not() {
        let stall = Duration::from_secs(10);
        let (mut ours, mut theirs) = duplex(64);
        let mut outbox = Outbox::new(Some(stall));
        outbox.push(&answer());
        let begun = Instant::now();
        // Other events of the connection come in between, which give it no more time.
        let mut given_up = None;
        while given_up.is_none() && begun.elapsed() < 2 * stall {
            let writing = outbox.write_some(&mut ours);
            given_up = timeout(stall / 4, writing).await.ok().and_then(Result::err);
        }
        assert_eq!(given_up.map(|error| error.kind()), Some(std::io::ErrorKind::TimedOut));
        assert!((stall..stall + stall / 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());

        let mut outbox = Outbox::new(Some(stall));
        outbox.push(&answer());
        let mut byte = [0];
        while theirs.read(&mut byte).await.is_ok() && !outbox.is_empty() {
            let writing = outbox.write_some(&mut ours);
            let _ = timeout(stall / 2, writing).await.map(Result::unwrap);
        }
    }
}
