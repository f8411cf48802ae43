//! Deletes a key.

use std::sync::Arc;

use device_key_types::DeviceKeyId;

use super::{BlockingContext, DeviceKeyStore, LimitedProvider};
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
        self.in_time(async |_| {
            let provider = self
                .look_up(peer, move |context, _permit| {
                    let provider = Arc::clone(context.provider(&context.binding(&key_id, owner)?)?);
                    let hidden =
                        context.bindings.begin_deletion(&key_id, owner, context.clock.now());
                    context
                        .bindings("begin_deletion", hidden)?
                        .ok_or(DeviceKeyError::KeyNotFound)?;
                    Ok(provider)
                })
                .await?;
            self.remove(provider, key_id, Requester::of(peer)).await
        })
        .await
    }

    /// Removes the material and the record of a hidden key.
    pub(super) async fn remove(
        &self,
        provider: Arc<LimitedProvider>,
        key_id: DeviceKeyId,
        requester: Requester,
    ) -> Result<(), DeviceKeyError> {
        let permit = provider.semaphore.acquire(requester).await?;
        self.blocking(move |context| {
            let removed = context.remove(&provider, &key_id);
            drop(permit);
            removed
        })
        .await
    }
}

impl BlockingContext {
    /// Removes the key material first. As long as the record exists, the next start tries again.
    pub(super) fn remove(
        &self,
        provider: &LimitedProvider,
        key_id: &DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        provider.call("delete", |provider| provider.delete(key_id))?;
        self.bindings("remove", self.inner.bindings.remove(key_id))
    }
}
