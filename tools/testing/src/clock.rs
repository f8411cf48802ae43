//! A clock that a test sets by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use device_key_types::{Clock, UnixTime};

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Makes a clock that stands at `now`.
    pub const fn at(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.as_seconds()))
    }

    /// Sets the clock to `now`, forward or back.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.as_seconds(), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.0.load(Ordering::SeqCst))
    }
}
