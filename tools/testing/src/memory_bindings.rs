//! A binding store in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DELETIONS_PER_KEY, DeviceKeyBinding,
    DeviceKeyBindingStore, IsBeingCreated, KeyPhase, Listing, OwnerKeys, OwnerUid, Page,
};
use device_key_types::{Binding, DeviceKeyId, UnixTime};

/// How many records a list reads at a time. The number is small, so that tests see several reads.
const AT_A_TIME: usize = 4;

/// A binding store in memory.
#[derive(Debug, Default)]
pub struct MemoryBindings(Mutex<BTreeMap<DeviceKeyId, Record>>);

#[derive(Debug)]
enum Record {
    Begun { key: CreatingKey, creator_lives: bool },
    Whole(DeviceKeyBinding),
    Deleting { provider: Box<str>, owner: OwnerUid },
}

impl Record {
    fn owner(&self) -> OwnerUid {
        match self {
            Self::Begun { key, .. } => key.owner,
            Self::Whole(binding) => binding.owner,
            Self::Deleting { owner, .. } => *owner,
        }
    }

    const fn phase(&self) -> KeyPhase {
        match self {
            Self::Begun { .. } => KeyPhase::Creating,
            Self::Whole(_) => KeyPhase::Ready,
            Self::Deleting { .. } => KeyPhase::Deleting,
        }
    }

    fn whole(&self) -> Option<&DeviceKeyBinding> {
        match self {
            Self::Whole(binding) => Some(binding),
            Self::Begun { .. } | Self::Deleting { .. } => None,
        }
    }
}

impl MemoryBindings {
    /// Makes an empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Treats every process that began a key without completing it as dead.
    pub fn crash(&self) {
        for record in self.records().values_mut() {
            if let Record::Begun { creator_lives, .. } = record {
                *creator_lives = false;
            }
        }
    }

    /// Puts a complete key in and replaces the record that has its id, whether or not a real store
    /// could get there.
    pub fn put(&self, binding: DeviceKeyBinding) {
        self.records().insert(binding.key_id, Record::Whole(binding));
    }

    /// Removes a record at once, as a deletion by another process would.
    pub fn forget(&self, key_id: &DeviceKeyId) {
        self.records().remove(key_id);
    }

    /// Returns a complete key of any owner.
    pub fn whole(&self, key_id: &DeviceKeyId) -> Option<DeviceKeyBinding> {
        self.records().get(key_id).and_then(Record::whole).cloned()
    }

    /// Returns the ids of all records, complete or begun, in ascending order.
    pub fn key_ids(&self) -> Vec<DeviceKeyId> {
        self.records().keys().copied().collect()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<DeviceKeyId, Record>> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl DeviceKeyBindingStore for MemoryBindings {
    async fn begin(&self, key: &CreatingKey, keys_per_owner: u32) -> Result<(), BindingStoreError> {
        let mut records = self.records();
        let (deleting, owned): (Vec<_>, Vec<_>) = records
            .values()
            .filter(|record| record.owner() == key.owner)
            .partition(|record| record.phase() == KeyPhase::Deleting);
        let is_reached = |count: usize, limit: u32| count >= usize::try_from(limit).unwrap();
        if is_reached(owned.len(), keys_per_owner)
            || is_reached(deleting.len(), keys_per_owner.saturating_mul(DELETIONS_PER_KEY))
        {
            return Err(BindingStoreError::QuotaExceeded);
        }
        match records.entry(key.key_id) {
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

    async fn list(&self, owner: OwnerUid, page: &Page) -> Result<Listing, BindingStoreError> {
        let after = page.after.map(|key_id| key_id.to_string());
        let unread = |key: &&DeviceKeyBinding| {
            let is_after = after.as_ref().is_none_or(|after| key.key_id.to_string() > *after);
            key.owner == owner && is_after
        };
        let wanted = |key: &DeviceKeyBinding| {
            let Binding { account_user_id, client_id } = &key.binding;
            page.account_user_id.as_ref().is_none_or(|wanted| wanted == account_user_id)
                && page.client_id.as_ref().is_none_or(|wanted| wanted == client_id)
        };
        let records = self.records();
        let mut keys: Vec<DeviceKeyBinding> =
            records.values().filter_map(Record::whole).filter(unread).cloned().collect();
        keys.sort_by_key(|key| key.key_id.to_string());
        let is_part = keys.len() > AT_A_TIME;
        keys.truncate(AT_A_TIME);
        let last = keys.last().map(|key| key.key_id);
        keys.retain(wanted);
        let limit = usize::try_from(page.limit).unwrap();
        let unread_after = last.filter(|_| is_part && keys.len() < limit);
        keys.truncate(limit);
        Ok(Listing { keys, unread_after })
    }

    async fn begin_deletion(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        _now: UnixTime,
    ) -> Result<Option<Box<str>>, BindingStoreError> {
        let Some(DeviceKeyBinding { provider, .. }) =
            self.whole(key_id).filter(|binding| binding.owner == owner)
        else {
            return Ok(None);
        };
        let deleting = Record::Deleting { provider: provider.clone(), owner };
        self.records().insert(*key_id, deleting);
        Ok(Some(provider))
    }

    async fn owners(
        &self,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, BindingStoreError> {
        let mut owners = BTreeMap::<OwnerUid, u64>::new();
        for binding in self.records().values().filter_map(Record::whole) {
            *owners.entry(binding.owner).or_default() += 1;
        }
        let owners = owners.range(from..=to).take(usize::try_from(limit).unwrap());
        Ok(owners.map(|(&owner, &keys)| OwnerKeys { owner, keys }).collect())
    }

    async fn begin_purge(&self, owner: OwnerUid, _now: UnixTime) -> Result<u64, BindingStoreError> {
        let mut purged = 0;
        for record in self.records().values_mut() {
            let whole = record.whole().filter(|binding| binding.owner == owner);
            if let Some(provider) = whole.map(|binding| binding.provider.clone()) {
                *record = Record::Deleting { provider, owner };
                purged += 1;
            }
        }
        Ok(purged)
    }

    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError> {
        self.forget(key_id);
        Ok(())
    }

    async fn abandoned(
        &self,
        is_being_created: &IsBeingCreated<'_>,
    ) -> Result<Vec<AbandonedKey>, BindingStoreError> {
        let mut abandoned = Vec::new();
        for (key_id, record) in self.records().iter() {
            let provider = match record {
                Record::Begun { key, creator_lives } => {
                    if *creator_lives && is_being_created(key_id) {
                        continue;
                    }
                    key.provider.into()
                }
                Record::Deleting { provider, .. } => provider.clone(),
                Record::Whole(_) => continue,
            };
            abandoned.push(AbandonedKey { key_id: *key_id, provider, phase: record.phase() });
        }
        Ok(abandoned)
    }
}
