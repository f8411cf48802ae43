use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use device_key_protocol::RpcError;
use device_key_types::Reason;
use tracing::{Span, error};

use crate::methods::{Outcome, Work};

/// A handler at work, in the span of its request. One that panics gives an outcome too; it is not
/// polled again after that, so whatever it left half-done is dropped unseen.
pub(crate) struct AtWork {
    work: Work,
    span: Span,
}

impl AtWork {
    pub(crate) const fn new(work: Work, span: Span) -> Self {
        Self { work, span }
    }

    /// Takes the first step at once. Most of what waits for no device needs no other, and so no task
    /// of its own.
    pub(crate) fn begin(mut self) -> Result<Outcome, Self> {
        // Whoever gets it back polls it again, so nothing is missed without a waker.
        match Pin::new(&mut self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(self),
        }
    }
}

impl Future for AtWork {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Self { work, span } = &mut *self;
        let _entered = span.enter();
        let outcome = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(_panic) => {
                error!("a handler panicked");
                Err(RpcError::from(Reason::Internal))
            }
        };
        record(span, &outcome);
        Poll::Ready(outcome)
    }
}

/// Tells the span why its request was refused, if it was.
pub(crate) fn record(span: &Span, outcome: &Outcome) {
    if let Err(error) = outcome {
        span.record("reason", error.reason().as_str());
    }
}
