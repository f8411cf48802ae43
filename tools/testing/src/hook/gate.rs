//! A hook that holds an operation until the test lets it go on.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Hook;
use crate::{Moment, Operation};

/// How long a test waits for a call. Only a failing test waits this long.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(20);

/// Holds every call of one operation until the gate opens, so that a test can have a slow provider
/// without waiting. This value is the test's handle. The gate opens when the handle is dropped, so
/// that a test that fails does not hang.
pub struct Gate<O> {
    barrier: Arc<Barrier<O>>,
}

struct Barrier<O> {
    operation: O,
    is_open: Mutex<bool>,
    opened: Condvar,
    arrived: watch::Sender<usize>,
}

impl<O: Operation> Gate<O> {
    /// Makes a closed gate in front of `operation`.
    pub fn closed(operation: O) -> Self {
        Self::new(operation, false)
    }

    /// Makes an open gate in front of `operation`, to be closed later.
    pub fn opened(operation: O) -> Self {
        Self::new(operation, true)
    }

    fn new(operation: O, is_open: bool) -> Self {
        Self {
            barrier: Arc::new(Barrier {
                operation,
                is_open: Mutex::new(is_open),
                opened: Condvar::new(),
                arrived: watch::Sender::new(0),
            }),
        }
    }

    /// Returns the hook for the provider or the binding store.
    pub fn hook(&self) -> impl Hook<O> + 'static {
        Arc::clone(&self.barrier)
    }

    /// Waits until `calls` calls in all have reached the gate. Needs Tokio's timer.
    ///
    /// # Panics
    /// Panics if the calls do not come.
    pub async fn arrived(&self, calls: usize) {
        let mut arrived = self.barrier.arrived.subscribe();
        let arrival = arrived.wait_for(|arrived| *arrived >= calls);
        let in_time = timeout(ARRIVAL_DEADLINE, arrival).await;
        in_time.expect("the operation is called").expect("the sender is in self");
    }

    /// Returns how many calls have reached the gate in all.
    pub fn calls(&self) -> usize {
        *self.barrier.arrived.borrow()
    }

    /// Closes the gate, which holds every call from now on.
    pub fn close(&self) {
        *self.barrier.is_open.lock().unwrap() = false;
    }
}

impl<O> Gate<O> {
    /// Opens the gate for the calls that wait and for later calls.
    pub fn open(&self) {
        *self.barrier.is_open.lock().unwrap() = true;
        self.barrier.opened.notify_all();
    }
}

impl<O> Drop for Gate<O> {
    fn drop(&mut self) {
        self.open();
    }
}

impl<O: Operation> Hook<O> for Barrier<O> {
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        if moment == Moment::Before && operation == self.operation {
            self.arrived.send_modify(|arrived| *arrived += 1);
            let is_open = self.is_open.lock().unwrap();
            drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        }
        Ok(())
    }
}
