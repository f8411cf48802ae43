//! How many keys and waiting operations a store allows.

use std::time::Duration;

use crate::fair_semaphore::WaitingLimits;

/// How many look-ups of bindings run at a time. The store reads for one look-up at a time;
/// meanwhile the others are handed from one thread to another.
pub(super) const LOOK_UPS: usize = 4;

/// How many writes of bindings run at a time. The store writes for one operation at a time.
pub(super) const WRITES: usize = 1;

/// How many look-ups may wait, and how many writes. A look-up takes microseconds, so even a full
/// queue of look-ups is served within a second. Memory is bounded by the number of requests that a
/// connection may have in flight.
pub(super) const WAITING_FOR_BINDINGS: WaitingLimits =
    WaitingLimits { in_all: 1 << 15, per_owner: 1 << 13 };

/// How many keys and waiting operations a store allows. More are refused, not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Keys of one user, in whatever phase. More are refused with `quota_exceeded`.
    pub keys_per_owner: u32,
    /// Operations that wait for one provider. More are refused with `overloaded`.
    pub waiting_per_provider: usize,
    /// Operations of one user that wait for one provider. More are refused with `overloaded`.
    pub waiting_per_owner: usize,
    /// How long an operation may take, waiting included, before it fails with `timeout`.
    pub operation: Duration,
}

impl Default for StoreLimits {
    /// The default time is longer than a person takes to answer a prompt.
    fn default() -> Self {
        Self {
            keys_per_owner: 1000,
            waiting_per_provider: 1024,
            waiting_per_owner: 128,
            operation: Duration::from_secs(90),
        }
    }
}

impl StoreLimits {
    pub(super) const fn waiting_for_provider(&self) -> WaitingLimits {
        WaitingLimits { in_all: self.waiting_per_provider, per_owner: self.waiting_per_owner }
    }
}
