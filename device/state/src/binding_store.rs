//! Implements the binding store of the device-key core.

use async_trait::async_trait;
use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding,
    DeviceKeyBindingStore, IsBeingCreated, Listing, OwnerKeys, OwnerUid, Page,
};
use device_key_types::{DeviceKeyId, UnixTime};

use crate::migrations::rewrite_version;
use crate::runtime::StateRuntime;

/// Each future does all of its work when it is first polled, and blocks meanwhile. So callers must
/// poll the futures on a thread that may block.
#[async_trait]
impl DeviceKeyBindingStore for StateRuntime {
    async fn begin(&self, key: &CreatingKey, keys_per_owner: u32) -> Result<(), BindingStoreError> {
        self.begin_key(key, keys_per_owner)
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

    fn get_now(&self, key_id: &DeviceKeyId, owner: OwnerUid) -> Option<DeviceKeyBinding> {
        self.binding_at_hand(key_id, owner)
    }

    async fn list(&self, owner: OwnerUid, page: &Page) -> Result<Listing, BindingStoreError> {
        self.list_bindings(owner, page)
    }

    async fn begin_deletion(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<Option<Box<str>>, BindingStoreError> {
        Ok(self.begin_deletion_of(key_id, owner, now)?)
    }

    async fn owners(
        &self,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, BindingStoreError> {
        Ok(self.owners_of_keys(from, to, limit)?)
    }

    async fn begin_purge(&self, owner: OwnerUid, now: UnixTime) -> Result<u64, BindingStoreError> {
        Ok(self.begin_purge_of(owner, now)?)
    }

    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError> {
        self.delete_binding(key_id).map(|_| ())
    }

    async fn check_write(&self) -> Result<(), BindingStoreError> {
        Ok(self.write(|transaction| rewrite_version(transaction))?)
    }

    async fn abandoned(
        &self,
        is_being_created: &IsBeingCreated<'_>,
    ) -> Result<Vec<AbandonedKey>, BindingStoreError> {
        Ok(self.abandoned_keys(is_being_created, |lease| self.leases().is_held(lease))?)
    }
}
