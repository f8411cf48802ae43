//! Where the time comes from.

use std::time::{Duration, SystemTime};

use crate::UnixTime;

/// A source of the current time. Callers pass the clock in, so that tests can set the time to the
/// second.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> UnixTime;
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        UnixTime::from_seconds(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => seconds(since),
            Err(before) => -seconds(before.duration()),
        })
    }
}
