//! Logs when a collector stops accepting data and when it accepts data again.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};

/// Logs once when a collector stops accepting a signal, and once when it accepts the signal again.
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
            info!(signal = self.signal, "the collector accepts telemetry again");
        }
    }

    pub(crate) fn failed(&self, cause: &dyn std::fmt::Display) {
        if !self.is_going_on.swap(true, Ordering::Relaxed) {
            warn!(
                signal = self.signal,
                %cause,
                "the collector does not accept telemetry; data that overflows the queue is lost"
            );
        }
    }
}
