use async_trait::async_trait;
use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding,
    DeviceKeyBindingStore, OwnerUid,
};
use device_key_types::{DeviceKeyId, UnixTime};

use crate::runtime::StateRuntime;

/// Each future does all of its work, and blocks, when it is first polled: the caller drives them on
/// a thread that may block.
#[async_trait]
impl DeviceKeyBindingStore for StateRuntime {
    async fn begin(&self, key: &CreatingKey) -> Result<(), BindingStoreError> {
        Ok(self.begin_key(key)?)
    }

    async fn complete(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError> {
        self.complete_key(key_id, created, now)
    }

    async fn get(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError> {
        self.get_binding(key_id, owner)
    }

    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError> {
        self.delete_binding(key_id).map(|_| ())
    }

    async fn abandoned(&self) -> Result<Vec<AbandonedKey>, BindingStoreError> {
        Ok(self.abandoned_keys(|lease| self.leases().is_held(lease))?)
    }
}
