use std::sync::atomic::{AtomicUsize, Ordering};

use super::Hook;
use crate::{Moment, Operation};

/// Lets an operation fail.
pub struct Faults<O, F> {
    moment: Moment,
    operation: O,
    /// Counted from 1; `None` is every call.
    nth: Option<usize>,
    calls: AtomicUsize,
    error: F,
}

impl<O: Operation, F: Fn() -> O::Error> Faults<O, F> {
    /// Every call of `operation` fails and does nothing.
    pub const fn always(operation: O, error: F) -> Self {
        Self { moment: Moment::Before, operation, nth: None, calls: AtomicUsize::new(0), error }
    }

    /// The `nth` call, counted from 1, fails and does nothing.
    pub fn nth(operation: O, nth: usize, error: F) -> Self {
        Self { nth: Some(nth), ..Self::always(operation, error) }
    }

    /// The same, but the work is done and only the answer is lost.
    #[must_use]
    pub fn after_the_work(mut self) -> Self {
        self.moment = Moment::After;
        self
    }
}

impl<O: Operation, F: Fn() -> O::Error + Send + Sync> Hook<O> for Faults<O, F> {
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        if moment != self.moment || operation != self.operation {
            return Ok(());
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.nth.is_none_or(|nth| nth == call) { Err((self.error)()) } else { Ok(()) }
    }
}
