//! A method's handler while it runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use device_key_protocol::RpcError;
use device_key_types::Reason;
use tracing::{Span, error};

use crate::methods::table::{HandlerFuture, Outcome};

/// A running handler, in the span of its request. A handler that panics ends with an
/// internal error. It is not polled again, so nobody sees the state that it left unfinished.
pub(super) struct RunningHandler {
    future: HandlerFuture,
    span: Span,
}

impl RunningHandler {
    pub(super) const fn new(future: HandlerFuture, span: Span) -> Self {
        Self { future, span }
    }

    /// Polls the handler for the first time. Most handlers that do not wait for a key device are
    /// done then and need no task. A handler that is not done is returned.
    pub(super) fn poll_once(mut self) -> Result<Outcome, Self> {
        // No waker is needed, because a handler that is returned is polled again anyway.
        match Pin::new(&mut self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(self),
        }
    }
}

impl Future for RunningHandler {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Self { future, span } = &mut *self;
        let _entered = span.enter();
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
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

/// Records in the span why its request was refused, if it was.
pub(super) fn record(span: &Span, outcome: &Outcome) {
    if let Err(error) = outcome {
        span.record("reason", error.reason().as_str());
    }
}
