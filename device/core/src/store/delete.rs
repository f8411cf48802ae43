//! Deletes a key.

use std::sync::Arc;

use device_key_types::DeviceKeyId;

use super::{DeviceKeyStore, LimitedProvider};
use crate::fair_semaphore::Requester;
use crate::{DeviceKeyError, LocalPeer};

impl DeviceKeyStore {
    /// Deletes a key of the caller, for good.
    ///
    /// First the key is hidden: no call finds it any more, and a signature that is being made is
    /// not returned. Then the provider removes the key material, and finally the record is removed.
    /// [`DeviceKeyStore::recover`] removes what a crash or a failing provider leaves.
    pub async fn delete(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        self.inner.require_any_provider()?;
        let (owner, key_id) = (peer.owner(), *key_id);
        let requester = Requester::of(peer);
        self.in_time(async |_| {
            let found = self.look_up(requester, move |context| {
                Ok(Arc::clone(context.provider(&context.binding(&key_id, owner)?)?))
            });
            let provider = found.await?;
            let permit = self.inner.writes.acquire(requester).await?;
            self.holding(permit, move |context| {
                let hidden = context.bindings.begin_deletion(&key_id, owner, context.clock.now());
                context.bindings("begin_deletion", hidden)?.ok_or(DeviceKeyError::KeyNotFound)
            })
            .await?;
            self.remove(provider, key_id, requester).await
        })
        .await
    }

    /// Removes the key material of a hidden key, and then its record. As long as the record exists,
    /// the next start tries again.
    pub(super) async fn remove(
        &self,
        provider: Arc<LimitedProvider>,
        key_id: DeviceKeyId,
        requester: Requester,
    ) -> Result<(), DeviceKeyError> {
        let permit = provider.semaphore.acquire_again(requester).await?;
        self.holding(permit, move |_| provider.call("delete", |provider| provider.delete(&key_id)))
            .await?;
        let permit = self.inner.writes.acquire_again(requester).await?;
        self.holding(permit, move |context| {
            context.bindings("remove", context.inner.bindings.remove(&key_id))
        })
        .await
    }
}
