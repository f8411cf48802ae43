//! Counts and removes the keys of users who are gone, for the administrator of the machine.

use std::future::pending;

use super::DeviceKeyStore;
use crate::fair_semaphore::Requester;
use crate::{Administrator, DeviceKeyError, OwnerKeys, OwnerUid};

impl DeviceKeyStore {
    /// The users from one user id to another who have keys, and how many, in ascending order, at
    /// most so many as the limit.
    pub async fn owners(
        &self,
        administrator: &Administrator,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, DeviceKeyError> {
        let requester = Requester::of(administrator.peer());
        self.in_time(self.look_up(requester, move |context| {
            context.bindings("owners", context.bindings.owners(from, to, limit))
        }))
        .await
    }

    /// Deletes all keys of a user for good, whatever their provider, and returns how many there
    /// were. A user whose programs still run may create keys meanwhile, and they stay.
    ///
    /// As for [`delete`](Self::delete), the keys are hidden when this returns, and the reconciler
    /// then removes them.
    pub async fn purge(
        &self,
        administrator: &Administrator,
        owner: OwnerUid,
    ) -> Result<u64, DeviceKeyError> {
        let requester = Requester::of(administrator.peer());
        self.decided(pending(), async |decision| {
            let permit = self.inner.writes.acquire(requester).await?;
            let store = self.clone();
            self.holding(permit, move |context| {
                decision.take_effect()?;
                let purged = context.bindings.begin_purge(owner, context.clock.now());
                let purged = context.bindings("begin_purge", purged);
                context.providers.iter().for_each(|provider| store.reconcile(provider));
                purged
            })
            .await
        })
        .await
    }
}
