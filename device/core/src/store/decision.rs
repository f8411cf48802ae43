//! Whether an operation takes effect or is given up, decided once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{Instant, sleep_until};

use super::DeviceKeyStore;
use crate::DeviceKeyError;

/// The one decision about an operation. Whoever takes it first decides: the step that makes the
/// operation durable, or the one that gives the operation up. So the answer and the records agree.
#[derive(Clone, Default)]
pub(super) struct Decision(Arc<AtomicBool>);

impl Decision {
    /// Decides that the operation takes effect. Fails if the operation was given up.
    pub(super) fn take_effect(&self) -> Result<(), DeviceKeyError> {
        if self.take() { Ok(()) } else { Err(DeviceKeyError::GivenUp) }
    }

    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Gives the operation up when it is dropped, unless the decision was taken.
struct GiveUp(Decision);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.take();
    }
}

impl DeviceKeyStore {
    /// Runs an operation that changes what is stored. At its deadline, or if `caller_left` ends
    /// first, or if the future is dropped, the operation is given up. An operation that has decided
    /// to take effect is waited for.
    pub(super) async fn decided<T>(
        &self,
        caller_left: impl Future<Output = ()>,
        operation: impl AsyncFnOnce(Decision) -> Result<T, DeviceKeyError>,
    ) -> Result<T, DeviceKeyError> {
        let deadline = Instant::now() + self.inner.limits().operation;
        let decision = GiveUp(Decision::default());
        let mut operation = pin!(operation(decision.0.clone()));
        let given_up = tokio::select! {
            biased;
            outcome = &mut operation => return outcome,
            () = sleep_until(deadline) => DeviceKeyError::TimedOut,
            () = caller_left => DeviceKeyError::GivenUp,
        };
        if decision.0.take() { Err(given_up) } else { operation.await }
    }
}
