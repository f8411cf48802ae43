use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding,
    DeviceKeyBindingStore, OwnerUid,
};
use device_key_types::{DeviceKeyId, UnixTime};

/// Bindings in memory.
#[derive(Debug, Default)]
pub struct MemoryBindings(Mutex<BTreeMap<DeviceKeyId, Record>>);

#[derive(Debug)]
enum Record {
    Begun { key: CreatingKey, creator_lives: bool },
    Whole(DeviceKeyBinding),
}

impl MemoryBindings {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From here on, whoever began a key that is not whole is dead.
    pub fn crash(&self) {
        for record in self.records().values_mut() {
            if let Record::Begun { creator_lives, .. } = record {
                *creator_lives = false;
            }
        }
    }

    /// Puts a whole key in, over whatever is there: what a test needs, whether or not it could be.
    pub fn put(&self, binding: DeviceKeyBinding) {
        self.records().insert(binding.key_id, Record::Whole(binding));
    }

    /// Takes a record out at once, as a deletion elsewhere would.
    pub fn forget(&self, key_id: &DeviceKeyId) {
        self.records().remove(key_id);
    }

    /// A whole key, whoever owns it.
    pub fn whole(&self, key_id: &DeviceKeyId) -> Option<DeviceKeyBinding> {
        match self.records().get(key_id) {
            Some(Record::Whole(binding)) => Some(binding.clone()),
            Some(Record::Begun { .. }) | None => None,
        }
    }

    /// The names of all records, whole or begun, in ascending order.
    pub fn key_ids(&self) -> Vec<DeviceKeyId> {
        self.records().keys().copied().collect()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<DeviceKeyId, Record>> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl DeviceKeyBindingStore for MemoryBindings {
    async fn begin(&self, key: &CreatingKey) -> Result<(), BindingStoreError> {
        match self.records().entry(key.key_id) {
            Entry::Occupied(_) => Err(BindingStoreError::Conflict),
            Entry::Vacant(vacant) => {
                vacant.insert(Record::Begun { key: key.clone(), creator_lives: true });
                Ok(())
            }
        }
    }

    async fn complete(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError> {
        let mut records = self.records();
        let record = records.get_mut(key_id).ok_or(BindingStoreError::NotBegun)?;
        let Record::Begun { key, creator_lives: true } = record else {
            return Err(BindingStoreError::NotBegun);
        };
        *record = Record::Whole(DeviceKeyBinding {
            key_id: *key_id,
            owner: key.owner,
            binding: key.binding.clone(),
            provider: key.provider.into(),
            protection_class: key.protection_class,
            tpm_kind: created.tpm_kind,
            public_key: created.public_key.clone(),
            storage_parent: created.storage_parent.clone(),
            created_at: key.created_at,
            updated_at: now,
        });
        Ok(())
    }

    async fn get(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError> {
        Ok(self.whole(key_id).filter(|binding| binding.owner == owner))
    }

    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError> {
        self.forget(key_id);
        Ok(())
    }

    async fn abandoned(&self) -> Result<Vec<AbandonedKey>, BindingStoreError> {
        let abandoned = |(key_id, record): (&DeviceKeyId, &Record)| match record {
            Record::Begun { key, creator_lives: false } => {
                Some(AbandonedKey { key_id: *key_id, provider: key.provider.into() })
            }
            Record::Begun { .. } | Record::Whole(_) => None,
        };
        Ok(self.records().iter().filter_map(abandoned).collect())
    }
}
