//! Deletes a key.

use std::future::pending;

use device_key_types::DeviceKeyId;

use super::DeviceKeyStore;
use crate::fair_semaphore::Requester;
use crate::{BindingStoreError, DeviceKeyError, LocalPeer};

impl DeviceKeyStore {
    /// Deletes a key of the caller, for good.
    ///
    /// Returns as soon as the key is hidden durably: no call finds it any more, and a signature
    /// that is being made is not returned. The reconciler then removes the key material and the
    /// record. [`Self::settled`] waits for that.
    pub async fn delete(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        self.inner.require_any_provider()?;
        let (owner, key_id) = (peer.owner(), *key_id);
        let requester = Requester::of(peer);
        self.decided(pending(), async |decision| {
            let found = self.look_up(requester, move |context| {
                match context.binding(&key_id, owner) {
                    // A record that cannot be used any more can still be removed.
                    Err(DeviceKeyError::Bindings(BindingStoreError::Damaged(_))) => Ok(()),
                    binding => context.provider(&binding?).map(drop),
                }
            });
            found.await?;
            let permit = self.inner.writes.acquire(requester).await?;
            let store = self.clone();
            self.holding(permit, move |context| {
                decision.take_effect()?;
                let hidden = context.bindings.begin_deletion(&key_id, owner, context.clock.now());
                match context.bindings("begin_deletion", hidden) {
                    Ok(Some(provider)) => {
                        context
                            .provider_named(&provider)
                            .into_iter()
                            .for_each(|provider| store.reconcile(provider));
                        Ok(())
                    }
                    Ok(None) => Err(DeviceKeyError::KeyNotFound),
                    // The answer of the bindings may be lost although the key is hidden.
                    Err(error) => {
                        context.providers.iter().for_each(|provider| store.reconcile(provider));
                        match context.binding(&key_id, owner) {
                            Err(DeviceKeyError::KeyNotFound) => Ok(()),
                            _ => Err(error),
                        }
                    }
                }
            })
            .await
        })
        .await
    }
}
