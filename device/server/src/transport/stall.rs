//! Notices a client that has not read what it is sent for too long.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// Measures how long a client has read nothing.
pub(super) struct StallTimer {
    /// How long a client may read nothing. `None` if there is no limit.
    limit: Option<Duration>,
    /// When the client stopped reading, if it reads nothing now.
    since: Option<Instant>,
}

impl StallTimer {
    pub(super) const fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: None }
    }

    /// Waits for one step of writing, as long as the limit allows. A step that was dropped and is
    /// made again gets no more time. Most of the time the step is done at once, and then no clock
    /// is read.
    pub(super) async fn watch<T>(&mut self, step: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut step = pin!(step);
        let at_once = poll_fn(|context| Poll::Ready(step.as_mut().poll(context))).await;
        let done = match (at_once, self.limit) {
            (Poll::Ready(done), _) => done,
            (Poll::Pending, None) => step.await,
            (Poll::Pending, Some(limit)) => {
                let since = *self.since.get_or_insert_with(Instant::now);
                timeout_at(since + limit, step).await?
            }
        };
        self.since = None;
        Ok(done)
    }
}
