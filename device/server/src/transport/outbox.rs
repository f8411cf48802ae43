//! The answers of a byte stream on their way to the client.

use std::io;
use std::time::Duration;

use device_key_protocol::Answer;
use tokio::io::AsyncWriteExt as _;

use super::carry::{AnswerSink, FULL_BYTES};
use super::hang_up::{Output, hung_up};
use super::stall::StallTimer;

/// Answers as bytes, and the stream that they are written to.
pub(super) struct Outbox<W> {
    output: W,
    bytes: Vec<u8>,
    written: usize,
    must_flush: bool,
    stall: StallTimer,
}

impl<W> Outbox<W> {
    /// An empty outbox. Writing fails when the client takes nothing for the `stall` time, if there
    /// is one.
    pub(super) const fn new(output: W, stall: Option<Duration>) -> Self {
        let stall = StallTimer::new(stall);
        Self { output, bytes: Vec::new(), written: 0, must_flush: false, stall }
    }

    /// Forgets the bytes, which are all written. Memory that only a burst of answers needs is
    /// freed.
    fn clear(&mut self) {
        if self.bytes.capacity() > FULL_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.written = 0;
        self.must_flush = false;
    }
}

impl<W: Output> AnswerSink for Outbox<W> {
    type Error = io::Error;

    fn push(&mut self, answer: &Answer) {
        if self.written >= FULL_BYTES {
            // Written bytes are dropped here too, or a client that always leaves something unread
            // would make the buffer grow.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(answer.as_bytes());
        self.must_flush = true;
    }

    fn has_room(&self) -> bool {
        self.bytes.len() - self.written < FULL_BYTES
    }

    fn is_empty(&self) -> bool {
        !self.must_flush
    }

    async fn write_some(&mut self) -> io::Result<()> {
        let unwritten = self.bytes.get(self.written..).unwrap_or_default();
        if !unwritten.is_empty() {
            let written = self.stall.watch(self.output.write(unwritten)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += written;
        }
        if self.written == self.bytes.len() {
            self.stall.watch(self.output.flush()).await??;
            self.clear();
        }
        Ok(())
    }

    async fn hung_up(&mut self) -> io::Result<()> {
        Err(hung_up(&mut self.output).await)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use device_key_protocol::{Answer, RpcError, Version};
    use device_key_types::Reason;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::{Instant, timeout};

    use super::{AnswerSink as _, FULL_BYTES, Outbox};

    fn answer() -> Answer {
        Answer::failure(None, Version::Stated, &RpcError::from(Reason::ParseError))
    }

    #[tokio::test]
    async fn a_client_that_always_lags_behind_does_not_make_the_buffer_grow() {
        let (ours, mut theirs) = duplex(512);
        let mut outbox = Outbox::new(ours, None);
        let (mut sent, mut taken) = (Vec::new(), Vec::new());
        let mut chunk = [0; 512];
        while sent.len() < 10 * FULL_BYTES {
            while outbox.has_room() {
                outbox.push(&answer());
                sent.extend_from_slice(answer().as_bytes());
            }
            outbox.write_some().await.unwrap();
            let length = theirs.read(&mut chunk).await.unwrap();
            taken.extend_from_slice(&chunk[..length]);
            assert!(outbox.bytes.len() < 3 * FULL_BYTES, "{}", outbox.bytes.len());
        }
        while !outbox.is_empty() {
            outbox.write_some().await.unwrap();
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
        let mut outbox = Outbox::new(&mut ours, Some(stall));
        outbox.push(&answer());
        let begun = Instant::now();
        // Other events of the connection interrupt the write. That must not extend the time limit.
        let mut given_up = None;
        while given_up.is_none() && begun.elapsed() < 2 * stall {
            let writing = outbox.write_some();
            given_up = timeout(stall / 4, writing).await.ok().and_then(Result::err);
        }
        assert_eq!(given_up.map(|error| error.kind()), Some(std::io::ErrorKind::TimedOut));
        assert!((stall..stall + stall / 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());

        let mut outbox = Outbox::new(&mut ours, Some(stall));
        outbox.push(&answer());
        let mut byte = [0];
        while theirs.read(&mut byte).await.is_ok() && !outbox.is_empty() {
            let writing = outbox.write_some();
            let _ = timeout(stall / 2, writing).await.map(Result::unwrap);
        }
    }
}
