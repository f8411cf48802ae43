//! Room for audit events in the log of the host.

use std::sync::Arc;

use device_key::OwnerUid;

/// Keeps room for audit events, so that an operation can be refused before it begins if nobody
/// could read about it. None of these functions may wait.
pub trait AuditLog: Send + Sync + 'static {
    /// Reserves room for one event about a request of this user, or of a remote peer. Returns
    /// whether there is room. The server uses reserved room or gives it back.
    fn reserve(&self, owner: Option<OwnerUid>) -> bool;

    /// Gives back room that was reserved.
    fn give_back(&self, owner: Option<OwnerUid>);

    /// Logs into room that was reserved. `event` makes one event of `tracing`.
    fn log(&self, owner: Option<OwnerUid>, event: &dyn Fn());
}

/// A log that has room for every event: the subscriber of `tracing` takes it.
pub(crate) struct Unbounded;

impl AuditLog for Unbounded {
    fn reserve(&self, _owner: Option<OwnerUid>) -> bool {
        true
    }

    fn give_back(&self, _owner: Option<OwnerUid>) {}

    fn log(&self, _owner: Option<OwnerUid>, event: &dyn Fn()) {
        event();
    }
}

/// Room for one event. It is given back if it is not used.
pub(super) struct Room {
    log: Arc<dyn AuditLog>,
    owner: Option<OwnerUid>,
    is_used: bool,
}

impl Room {
    pub(super) fn reserve(log: &Arc<dyn AuditLog>, owner: Option<OwnerUid>) -> Option<Self> {
        log.reserve(owner).then(|| Self { log: Arc::clone(log), owner, is_used: false })
    }

    pub(super) fn log(mut self, event: &dyn Fn()) {
        self.is_used = true;
        self.log.log(self.owner, event);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_used {
            self.log.give_back(self.owner);
        }
    }
}
