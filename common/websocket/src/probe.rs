//! The answer to a health probe, however many clients ask.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long an outcome is good for.
const FRESH: Duration = Duration::from_secs(1);
/// How long a check may take.
const DEADLINE: Duration = Duration::from_secs(1);

type Check<T> = dyn Fn() -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync;

/// When the last check ended, and its outcome.
type Last<T> = Option<(Instant, Option<T>)>;

/// A check that runs when somebody asks, but not again before a second has passed. Nothing runs
/// while nobody asks.
pub struct Probe<T> {
    check: Arc<Check<T>>,
    last: Arc<Mutex<Last<T>>>,
}

impl<T: Clone + Send + 'static> Probe<T> {
    /// Asks this check. It runs in a task, so it must not block.
    pub fn new<F: Future<Output = T> + Send + 'static>(
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { check: Arc::new(move || Box::pin(check())), last: Arc::default() }
    }

    /// The outcome of a check that ended at most a second ago. `None` if the check did not end
    /// within a second. Must be called within a Tokio runtime.
    pub async fn outcome(&self) -> Option<T> {
        let (check, last) = (Arc::clone(&self.check), Arc::clone(&self.last));
        // The check goes on if the client leaves, or clients that leave could begin many checks.
        let asked = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some((ended, outcome)) = &*last
                && ended.elapsed() < FRESH
            {
                return outcome.clone();
            }
            let outcome = timeout(DEADLINE, check()).await.ok();
            *last = Some((Instant::now(), outcome.clone()));
            outcome
        });
        asked.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_runs_once_a_second_however_many_ask() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let probe = Probe::new(move || {
            let run = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(DEADLINE / 2).await;
                run
            }
        });
        for expected in 0..3 {
            let (one, other) = tokio::join!(probe.outcome(), probe.outcome());
            assert_eq!((one, other), (Some(expected), Some(expected)));
            sleep(FRESH / 2).await;
            assert_eq!(probe.outcome().await, Some(expected));
            sleep(FRESH).await;
        }
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_does_not_end_has_no_outcome() {
        let probe = Probe::new(pending::<()>);
        let begun = Instant::now();
        assert_eq!(tokio::join!(probe.outcome(), probe.outcome()), (None, None));
        assert!(
            begun.elapsed() < 2 * DEADLINE,
            "the second client does not wait for a second check"
        );
    }
}
