use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};

/// Tells an operator once when a collector stops to take a signal, and once when it does again.
#[derive(Debug)]
pub(crate) struct Outage {
    signal: &'static str,
    is_going_on: AtomicBool,
}

impl Outage {
    pub(crate) fn of(signal: &'static str) -> Self {
        Self { signal, is_going_on: AtomicBool::new(false) }
    }

    pub(crate) fn delivered(&self) {
        if self.is_going_on.swap(false, Ordering::Relaxed) {
            info!(signal = self.signal, "the collector takes telemetry again");
        }
    }

    pub(crate) fn failed(&self, cause: &dyn std::fmt::Display) {
        if !self.is_going_on.swap(true, Ordering::Relaxed) {
            warn!(
                signal = self.signal,
                %cause,
                "the collector takes no telemetry; until it does, what does not fit the queue is lost"
            );
        }
    }
}
