use std::time::Duration;

use crate::lane::WaitingLimits;

/// How many look-ups of bindings run at a time: one reads, the others come and go around it.
pub(super) const LOOK_UPS: usize = 4;

/// A look-up takes microseconds, so a queue that long is gone within a second. What bounds memory is
/// how much a connection may have in flight.
pub(super) const WAITING_FOR_LOOK_UPS: WaitingLimits =
    WaitingLimits { in_all: 1 << 15, per_owner: 1 << 13 };

/// How much one may have at a time. More is refused, not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Keys of one user, in whatever phase; more are `quota_exceeded`.
    pub keys_per_owner: u32,
    /// Operations that wait for one provider; more are `overloaded`.
    pub waiting_per_provider: usize,
    /// Those of one user among them.
    pub waiting_per_owner: usize,
    /// How long an operation may take, waiting included; then it is `timeout`.
    pub operation: Duration,
}

impl Default for StoreLimits {
    /// The time is longer than a prompt that a person answers.
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
