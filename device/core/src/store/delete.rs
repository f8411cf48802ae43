//! Deletes a key.

use std::sync::Arc;

use device_key_types::{DeviceKeyId, ProtectionClass};

use super::{DeviceKeyStore, LimitedProvider, no_protection};
use crate::fair_semaphore::Requester;
use crate::{BindingStoreError, DeviceKeyError, LocalPeer};

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
                match context.binding(&key_id, owner) {
                    // A record that cannot be used any more can still be removed.
                    Err(DeviceKeyError::Bindings(BindingStoreError::Damaged(_))) => Ok(()),
                    binding => context.provider(&binding?).map(drop),
                }
            });
            found.await?;
            let permit = self.inner.writes.acquire(requester).await?;
            let hidden = self.holding(permit, move |context| {
                let hidden = context.bindings.begin_deletion(&key_id, owner, context.clock.now());
                context.bindings("begin_deletion", hidden)?.ok_or(DeviceKeyError::KeyNotFound)
            });
            let name = hidden.await?;
            let provider = self.inner.provider_named(&name).map(Arc::clone);
            let provider = provider.ok_or_else(|| no_protection(ProtectionClass::HardwareTpm))?;
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
