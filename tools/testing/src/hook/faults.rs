//! A hook that lets an operation fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Hook;
use crate::{Moment, Operation};

/// Lets an operation fail.
pub struct Faults<O, F> {
    moment: Moment,
    operation: O,
    /// The number of the call, counted from 1, or `None` for every call.
    nth: Option<usize>,
    calls: AtomicUsize,
    error: F,
}

impl<O: Operation, F: Fn() -> O::Error> Faults<O, F> {
    /// Makes every call of `operation` fail and do nothing.
    pub const fn always(operation: O, error: F) -> Self {
        Self { moment: Moment::Before, operation, nth: None, calls: AtomicUsize::new(0), error }
    }

    /// Makes the `nth` call, counted from 1, fail and do nothing.
    pub fn nth(operation: O, nth: usize, error: F) -> Self {
        Self { nth: Some(nth), ..Self::always(operation, error) }
    }

    /// Makes the `nth` call, counted from 1, do its work and then fail, so that only the answer is
    /// lost.
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
