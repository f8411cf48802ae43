use std::sync::Arc;

use device_key_types::DeviceKeyId;

use super::{BlockingHop, DeviceKeyStore, LanedProvider};
use crate::{DeviceKeyError, LocalPeer, lane::Claimant};

impl DeviceKeyStore {
    /// Deletes a key of the caller, for good.
    ///
    /// First it is hidden: from then on it is not found, and a signature that is under way is not
    /// given out. Then its material is removed, and its record last. What a crash or a provider that
    /// fails leaves is removed by [`DeviceKeyStore::recover`].
    pub async fn delete(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        self.inner.require_any_provider()?;
        let (owner, key_id) = (peer.owner(), *key_id);
        self.in_time(async |_| {
            let provider = self
                .looking_up(peer, move |hop, _turn| {
                    let provider = Arc::clone(hop.provider(&hop.binding(&key_id, owner)?)?);
                    let hidden = hop.bindings.begin_deletion(&key_id, owner, hop.clock.now());
                    hop.bindings("begin_deletion", hidden)?.ok_or(DeviceKeyError::KeyNotFound)?;
                    Ok(provider)
                })
                .await?;
            self.remove(provider, key_id, Claimant::of(peer)).await
        })
        .await
    }

    /// Removes material and record of a key that nobody can use any more.
    pub(super) async fn remove(
        &self,
        provider: Arc<LanedProvider>,
        key_id: DeviceKeyId,
        who: Claimant,
    ) -> Result<(), DeviceKeyError> {
        let turn = provider.lane.enter(who).await?;
        self.blocking(move |hop| {
            let removed = hop.remove(&provider, &key_id);
            drop(turn);
            removed
        })
        .await
    }
}

impl BlockingHop {
    /// Removes key material first: as long as the record stands, the next start tries again.
    pub(super) fn remove(
        &self,
        provider: &LanedProvider,
        key_id: &DeviceKeyId,
    ) -> Result<(), DeviceKeyError> {
        provider.call("delete", |provider| provider.delete(key_id))?;
        self.bindings("remove", self.inner.bindings.remove(key_id))
    }
}
