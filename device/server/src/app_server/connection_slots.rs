//! Bounds the number of connections, in total and for each user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use device_key_types::Reason;

use crate::limits::ServerLimits;

/// Counts connections by their user. Remote connections are counted under `None`.
#[derive(Default)]
pub(crate) struct ConnectionSlots {
    by_owner: Mutex<HashMap<Option<u32>, usize>>,
}

/// The slot of one connection. Dropping it frees the slot.
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    owner: Option<u32>,
}

impl ConnectionSlots {
    /// Takes a slot, or tells why there is none.
    pub(crate) fn take(
        self: &Arc<Self>,
        owner: Option<u32>,
        limits: &ServerLimits,
    ) -> Result<ConnectionSlot, Reason> {
        let mut by_owner = self.lock();
        if by_owner.values().sum::<usize>() >= limits.connections {
            return Err(Reason::Overloaded);
        }
        let own = by_owner.entry(owner).or_default();
        if *own >= limits.connections_per_owner {
            return Err(Reason::QuotaExceeded);
        }
        *own += 1;
        Ok(ConnectionSlot { slots: Arc::clone(self), owner })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<u32>, usize>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut by_owner = self.slots.lock();
        if let Some(own) = by_owner.get_mut(&self.owner) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                by_owner.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_for_each_user_and_in_total() {
        let limits =
            ServerLimits { connections: 3, connections_per_owner: 2, ..ServerLimits::default() };
        let slots = Arc::new(ConnectionSlots::default());
        let take = |owner| slots.take(Some(owner), &limits);
        let (first, _second) = (take(1).unwrap(), take(1).unwrap());
        assert_eq!(take(1).err(), Some(Reason::QuotaExceeded));
        let _other = take(2).unwrap();
        assert_eq!(take(2).err(), Some(Reason::Overloaded));
        drop(first);
        let _again = take(2).unwrap();
    }
}
