//! Divides the room for audit events among the users who cause them.

use std::collections::HashMap;

/// The user whose request an event is about. `None` stands for all peers without a user.
pub(crate) type Owner = Option<u32>;

/// The room that is left, and the room that each user has.
///
/// A user may take as much as is left over for the others. One busy user therefore has at most half
/// of the room, two have a third each, and a user who has nothing yet is turned away only if
/// everything is taken.
#[derive(Debug)]
pub(crate) struct AuditShares {
    taken: HashMap<Owner, usize>,
    left: usize,
}

impl AuditShares {
    pub(crate) fn new(room: usize) -> Self {
        Self { taken: HashMap::new(), left: room }
    }

    /// Takes room for one event of this user, if the user's share is not used up.
    pub(crate) fn take(&mut self, owner: Owner) -> bool {
        let taken = self.taken.get(&owner).copied().unwrap_or_default();
        if taken >= self.left {
            return false;
        }
        self.taken.insert(owner, taken.saturating_add(1));
        self.left = self.left.saturating_sub(1);
        true
    }

    /// Gives back the room of one event.
    pub(crate) fn give_back(&mut self, owner: Owner) {
        let Some(taken) = self.taken.get_mut(&owner) else { return };
        *taken = taken.saturating_sub(1);
        if *taken == 0 {
            self.taken.remove(&owner);
        }
        self.left = self.left.saturating_add(1);
    }

    /// How much room is taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(shares: &mut AuditShares, owner: u32) -> usize {
        (0..100).take_while(|_| shares.take(Some(owner))).count()
    }

    #[test]
    fn one_user_leaves_half_of_the_room_to_the_others() {
        let mut shares = AuditShares::new(64);
        let taken: Vec<_> = (0..4).map(|owner| take_all(&mut shares, owner)).collect();
        assert_eq!(taken, [32, 16, 8, 4]);
        // The room that one user gives back is available to everybody whose share has room.
        for _ in 0..32 {
            shares.give_back(Some(0));
        }
        assert_eq!((shares.taken(), take_all(&mut shares, 1)), (28, 10));
        assert!(shares.take(None));
    }

    #[test]
    fn many_users_get_room_while_there_is_any() {
        let mut shares = AuditShares::new(64);
        for owner in 0..64 {
            assert!(shares.take(Some(owner)), "{owner}");
        }
        assert!(!shares.take(Some(64)));
        shares.give_back(Some(1));
        assert!(shares.take(Some(64)));
        assert_eq!(shares.taken(), 64);
    }
}
