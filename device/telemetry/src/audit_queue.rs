//! Room in the log for audit events, which a service reserves before it does what is audited.

use crate::log_queue::{LogQueue, Room};

/// What happens to an audit event if the log's reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// No room can be reserved, so that the operation can be refused before it begins.
    Refuse,
    /// The event is dropped and counted. The log says how many were dropped.
    Drop,
}

/// Room in the log for audit events. Each user has a share of it. Nothing here waits.
#[derive(Clone, Debug)]
pub struct AuditQueue {
    log: LogQueue,
    when_full: WhenFull,
}

impl AuditQueue {
    pub(crate) const fn new(log: LogQueue, when_full: WhenFull) -> Self {
        Self { log, when_full }
    }

    /// Reserves room for one event about this user, or about a peer without a user. Returns whether
    /// there is room. Room that was reserved must be used or given back.
    pub fn reserve(&self, owner: Option<u32>) -> bool {
        match self.when_full {
            WhenFull::Refuse => self.log.take_audit_room(owner),
            // Room is taken when there is an event, because there may be room by then.
            WhenFull::Drop => true,
        }
    }

    /// Gives back room that was reserved.
    pub fn give_back(&self, owner: Option<u32>) {
        match self.when_full {
            WhenFull::Refuse => self.log.give_back(Room::Reserved(owner)),
            WhenFull::Drop => {}
        }
    }

    /// Logs into room that was reserved. `event` logs one event of `tracing` with the target
    /// [`AUDIT`](crate::AUDIT).
    pub fn log(&self, owner: Option<u32>, event: impl FnOnce()) {
        match self.when_full {
            WhenFull::Refuse => self.log.log_into(Room::Reserved(owner), event),
            WhenFull::Drop if self.log.take_audit_room(owner) => {
                self.log.log_into(Room::Audit(owner), event);
            }
            WhenFull::Drop => self.log.count_dropped_audit_event(),
        }
    }
}
