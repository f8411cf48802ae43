//! Bounds the number of connections, in total and for each user.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use device_key_types::Reason;
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use crate::limits::ServerLimits;

/// One of this many slots is reserved for users who have no connection.
const RESERVED_SHARE: usize = 16;

/// The connections of each user. Remote connections are those of the user `None`.
#[derive(Default)]
pub(crate) struct ConnectionSlots {
    users: Mutex<HashMap<Option<u32>, Vec<Arc<Usage>>>>,
}

/// The slot of one connection. Dropping it frees the slot.
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    owner: Option<u32>,
    usage: Arc<Usage>,
}

/// The activity of a connection.
#[derive(Default)]
pub(crate) struct Usage {
    pub(crate) in_flight: InFlight,
    /// Cancelled when the connection must make room for another.
    pub(crate) must_leave: CancellationToken,
    /// The number of the connection's last turn, of all turns of the server.
    pub(crate) last_turn: AtomicU64,
}

impl ConnectionSlot {
    pub(crate) fn usage(&self) -> Arc<Usage> {
        Arc::clone(&self.usage)
    }
}

impl ConnectionSlots {
    /// Takes a slot, or tells why there is none. If no unreserved slot is free, this also asks an
    /// idle connection to leave.
    pub(crate) fn take(
        self: &Arc<Self>,
        owner: Option<u32>,
        limits: &ServerLimits,
    ) -> Result<ConnectionSlot, Reason> {
        let mut users = self.lock();
        let all: usize = users.values().map(Vec::len).sum();
        let own = users.get(&owner).map_or(0, Vec::len);
        let unreserved = limits.connections - limits.connections / RESERVED_SHARE;
        if all >= unreserved
            && let Some(idle) = idlest(&users, own)
        {
            idle.must_leave.cancel();
        }
        if all >= if own == 0 { limits.connections } else { unreserved } {
            return Err(Reason::Overloaded);
        }
        if own >= limits.connections_per_owner {
            return Err(Reason::QuotaExceeded);
        }
        let usage = Arc::default();
        users.entry(owner).or_default().push(Arc::clone(&usage));
        Ok(ConnectionSlot { slots: Arc::clone(self), owner, usage })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<u32>, Vec<Arc<Usage>>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection that makes room for a user with `own` connections: of the users who keep more
/// connections than that user even then, one with the most, and of that user's idle connections the
/// one that has been idle longest.
fn idlest(users: &HashMap<Option<u32>, Vec<Arc<Usage>>>, own: usize) -> Option<&Usage> {
    let stays = |usage: &&Arc<Usage>| !usage.must_leave.is_cancelled();
    users
        .values()
        .map(|connections| (connections.iter().filter(stays).count(), connections))
        .filter(|(count, _)| *count > own + 1)
        .flat_map(|(count, connections)| {
            connections.iter().filter(stays).map(move |usage| (count, usage))
        })
        .filter(|(_, usage)| usage.in_flight.is_empty())
        .min_by_key(|(count, usage)| (usize::MAX - count, usage.last_turn.load(Ordering::Relaxed)))
        .map(|(_, usage)| &**usage)
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut users = self.slots.lock();
        if let Some(own) = users.get_mut(&self.owner) {
            own.retain(|usage| !Arc::ptr_eq(usage, &self.usage));
            if own.is_empty() {
                users.remove(&self.owner);
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

    #[test]
    fn the_last_slots_are_for_users_who_have_none_and_idle_connections_make_room() {
        let limits =
            ServerLimits { connections: 16, connections_per_owner: 8, ..ServerLimits::default() };
        let slots = Arc::new(ConnectionSlots::default());
        let take = |owner| slots.take(Some(owner), &limits);
        let first: Vec<_> = (0..8).map(|_| take(1).unwrap()).collect();
        let second: Vec<_> = (0..7).map(|_| take(2).unwrap()).collect();
        for (slot, turn) in first.iter().zip([8, 7, 1, 2, 3, 4, 5, 6]) {
            slot.usage.last_turn.store(turn, Ordering::Relaxed);
        }
        let _busy = first[2].usage.in_flight.begin(0);
        let leaving = || {
            let all = first.iter().chain(&second);
            all.map(|slot| slot.usage.must_leave.is_cancelled()).collect::<Vec<_>>()
        };
        assert_eq!(take(2).err(), Some(Reason::Overloaded));
        assert!(
            !leaving().contains(&true),
            "two users with about as many do not displace each other"
        );
        let _third = take(3).unwrap();
        let is_left = |position: usize| leaving()[position];
        assert!(is_left(3) && leaving().iter().filter(|is_left| **is_left).count() == 1);
        assert_eq!(take(4).err(), Some(Reason::Overloaded), "the connection has not left yet");
        drop(first);
        let _fourth = take(4).unwrap();
    }
}
