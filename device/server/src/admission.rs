//! How many connections there may be, in all and of one user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use device_key_types::Reason;

use crate::ServerLimits;

/// Counts connections by their user; `None` are remote ones.
#[derive(Default)]
pub(crate) struct Admissions {
    by_owner: Mutex<HashMap<Option<u32>, usize>>,
}

/// A place among the connections; given back when dropped.
pub(crate) struct Admitted {
    admissions: Arc<Admissions>,
    owner: Option<u32>,
}

impl Admissions {
    /// A place, or the reason why there is none.
    pub(crate) fn admit(
        self: &Arc<Self>,
        owner: Option<u32>,
        limits: &ServerLimits,
    ) -> Result<Admitted, Reason> {
        let mut by_owner = self.lock();
        if by_owner.values().sum::<usize>() >= limits.connections {
            return Err(Reason::Overloaded);
        }
        let own = by_owner.entry(owner).or_default();
        if *own >= limits.connections_per_owner {
            return Err(Reason::QuotaExceeded);
        }
        *own += 1;
        Ok(Admitted { admissions: Arc::clone(self), owner })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<u32>, usize>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut by_owner = self.admissions.lock();
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
    fn places_are_bounded_for_each_user_and_in_all() {
        let limits =
            ServerLimits { connections: 3, connections_per_owner: 2, ..ServerLimits::default() };
        let admissions = Arc::new(Admissions::default());
        let admit = |owner| admissions.admit(Some(owner), &limits);
        let (first, _second) = (admit(1).unwrap(), admit(1).unwrap());
        assert_eq!(admit(1).err(), Some(Reason::QuotaExceeded));
        let _other = admit(2).unwrap();
        assert_eq!(admit(2).err(), Some(Reason::Overloaded));
        drop(first);
        let _again = admit(2).unwrap();
    }
}
