//! A binding store with hooks around its operations.

use std::sync::Arc;

use async_trait::async_trait;
use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding,
    DeviceKeyBindingStore, IsBeingCreated, Listing, OwnerKeys, OwnerUid, Page,
};
use device_key_types::{DeviceKeyId, UnixTime};

use crate::BindingOperation::{
    self, Abandoned, Begin, BeginDeletion, BeginPurge, CheckWrite, Complete, Get, List, Owners,
    Remove,
};
use crate::hook::Hooks;
use crate::{Hook, Moment};

/// Wraps any binding store and runs hooks around its operations.
pub struct HookedBindings {
    inner: Arc<dyn DeviceKeyBindingStore>,
    hooks: Hooks<BindingOperation>,
}

impl HookedBindings {
    /// Wraps a store. Without hooks the wrapper behaves as the store does.
    pub const fn new(inner: Arc<dyn DeviceKeyBindingStore>) -> Self {
        Self { inner, hooks: Hooks::none() }
    }

    /// Adds a hook after the ones that were added before.
    #[must_use]
    pub fn with(mut self, hook: impl Hook<BindingOperation> + 'static) -> Self {
        self.hooks.push(hook);
        self
    }

    async fn run<T>(
        &self,
        operation: BindingOperation,
        call: impl Future<Output = Result<T, BindingStoreError>>,
    ) -> Result<T, BindingStoreError> {
        self.hooks.pass(Moment::Before, operation)?;
        let value = call.await?;
        self.hooks.pass(Moment::After, operation)?;
        Ok(value)
    }
}

#[async_trait]
impl DeviceKeyBindingStore for HookedBindings {
    async fn begin(&self, key: &CreatingKey, keys_per_owner: u32) -> Result<(), BindingStoreError> {
        self.run(Begin, self.inner.begin(key, keys_per_owner)).await
    }

    async fn complete(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError> {
        self.run(Complete, self.inner.complete(key_id, created, now)).await
    }

    async fn get(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError> {
        self.run(Get, self.inner.get(key_id, owner)).await
    }

    async fn list(&self, owner: OwnerUid, page: &Page) -> Result<Listing, BindingStoreError> {
        self.run(List, self.inner.list(owner, page)).await
    }

    async fn begin_deletion(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<Option<Box<str>>, BindingStoreError> {
        self.run(BeginDeletion, self.inner.begin_deletion(key_id, owner, now)).await
    }

    async fn owners(
        &self,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, BindingStoreError> {
        self.run(Owners, self.inner.owners(from, to, limit)).await
    }

    async fn begin_purge(&self, owner: OwnerUid, now: UnixTime) -> Result<u64, BindingStoreError> {
        self.run(BeginPurge, self.inner.begin_purge(owner, now)).await
    }

    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError> {
        self.run(Remove, self.inner.remove(key_id)).await
    }

    async fn check_write(&self) -> Result<(), BindingStoreError> {
        self.run(CheckWrite, self.inner.check_write()).await
    }

    async fn abandoned(
        &self,
        is_being_created: &IsBeingCreated<'_>,
    ) -> Result<Vec<AbandonedKey>, BindingStoreError> {
        self.run(Abandoned, self.inner.abandoned(is_being_created)).await
    }
}
