use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::DeviceKeyError;

/// How many operations may wait for one provider. Each waits on a thread of the blocking pool, so
/// this must stay well below the pool's size for other work to go on.
const MAX_WAITING: usize = 128;

/// How long an operation waits for its turn: longer than a prompt that a person answers.
const MAX_WAIT: Duration = Duration::from_secs(90);

/// Lets a bounded number of operations into one provider, and a bounded number wait.
///
/// A slow provider thereby slows only itself.
pub(crate) struct Lane {
    concurrency: usize,
    state: Mutex<State>,
    turn_given_back: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: usize,
}

impl Lane {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency: concurrency.max(1),
            state: Mutex::default(),
            turn_given_back: Condvar::new(),
        }
    }

    /// A turn, if one is free at once and nobody waits for it.
    pub(crate) fn try_enter(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        (state.running < self.concurrency && state.waiting == 0).then(|| {
            state.running += 1;
            Turn { lane: self }
        })
    }

    /// Blocks until it is this operation's turn.
    pub(crate) fn enter(&self) -> Result<Turn<'_>, DeviceKeyError> {
        let deadline = Instant::now() + MAX_WAIT;
        let mut state = self.lock();
        if state.running >= self.concurrency && state.waiting >= MAX_WAITING {
            return Err(DeviceKeyError::Overloaded);
        }
        state.waiting += 1;
        while state.running >= self.concurrency {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting -= 1;
                return Err(DeviceKeyError::WaitedTooLong);
            }
            state = self
                .turn_given_back
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.waiting -= 1;
        state.running += 1;
        Ok(Turn { lane: self })
    }

    /// The counters stay right whatever panicked elsewhere: they change only in here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use the provider; given back when dropped.
pub(crate) struct Turn<'a> {
    lane: &'a Lane,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lane.lock().running -= 1;
        self.lane.turn_given_back.notify_one();
    }
}
