use std::error::Error;

use async_trait::async_trait;
use device_key_types::{
    AccountUserId, Binding, ClientId, DeviceKeyId, ProtectionClass, PublicKey, StorageParentName,
    TpmKind, UnixTime,
};

use crate::{CreatedKey, KeyReference, OwnerUid};

/// The one source of truth about which key exists, whose it is and what it speaks for.
///
/// The futures are driven on a thread that may block: an implementation on an embedded database may
/// simply do its work when first polled. [`get`](Self::get) alone is also awaited where requests come
/// in, before it is known whether anything has to be waited for, so it must be quick or really async.
#[async_trait]
pub trait DeviceKeyBindingStore: Send + Sync {
    /// Records that this process is about to create a key, unless its owner has
    /// `keys_per_owner` of them, in whatever phase: then it is
    /// [`BindingStoreError::QuotaExceeded`]. An existing key of that name is
    /// [`BindingStoreError::Conflict`], and stays as it is.
    async fn begin(&self, key: &CreatingKey, keys_per_owner: u32) -> Result<(), BindingStoreError>;

    /// Makes a key that was begun visible, with what the provider told about it.
    async fn complete(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError>;

    /// The binding of a whole key of this owner; another owner's key is `None`.
    async fn get(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError>;

    /// Whole keys of this owner, ascending by the text of the key id.
    async fn list(
        &self,
        owner: OwnerUid,
        page: &Page,
    ) -> Result<Vec<DeviceKeyBinding>, BindingStoreError>;

    /// Hides a whole key of this owner for good, before its material is removed: no other call
    /// finds it but [`remove`](Self::remove) and [`abandoned`](Self::abandoned). `None` if there is
    /// no such key.
    async fn begin_deletion(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError>;

    /// Forgets a key in any phase. Not an error if there is none.
    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError>;

    /// Keys that were begun by processes that live no more, and keys whose deletion was begun, by
    /// whomever: deleting twice does no harm. A key that a live process is creating is never among
    /// them.
    async fn abandoned(&self) -> Result<Vec<AbandonedKey>, BindingStoreError>;
}

/// A key that is about to be created.
#[derive(Clone, Debug)]
pub struct CreatingKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The user who may use it.
    pub owner: OwnerUid,
    /// What it will speak for.
    pub binding: Binding,
    /// The provider's name.
    pub provider: &'static str,
    /// The class that the provider gives.
    pub protection_class: ProtectionClass,
    /// The time of the request.
    pub created_at: UnixTime,
}

/// A whole key and its binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeyBinding {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The user who may use it.
    pub owner: OwnerUid,
    /// What it speaks for.
    pub binding: Binding,
    /// The provider's name.
    pub provider: Box<str>,
    /// What protects it.
    pub protection_class: ProtectionClass,
    /// The kind of TPM, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
    /// Its public part.
    pub public_key: PublicKey,
    /// The storage parent's Name, for TPM keys.
    pub storage_parent: Option<StorageParentName>,
    /// When it was created.
    pub created_at: UnixTime,
    /// When this record last changed.
    pub updated_at: UnixTime,
}

impl DeviceKeyBinding {
    /// What a provider needs to find the key.
    pub fn reference(&self) -> KeyReference {
        KeyReference {
            key_id: self.key_id,
            public_key: self.public_key.clone(),
            storage_parent: self.storage_parent.clone(),
        }
    }
}

/// Which keys to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only keys of this account.
    pub account_user_id: Option<AccountUserId>,
    /// Only keys of this client.
    pub client_id: Option<ClientId>,
    /// Only keys behind this one.
    pub after: Option<DeviceKeyId>,
    /// At most so many.
    pub limit: u32,
}

/// What an interrupted creation or deletion left in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The provider that may hold material for it.
    pub provider: Box<str>,
}

/// The store could not do what it was asked. Sources are for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum BindingStoreError {
    /// A key of that name exists.
    #[error("a key of that name exists")]
    Conflict,
    /// The owner has as many keys as one may have.
    #[error("the owner has as many keys as one may have")]
    QuotaExceeded,
    /// The key that should be completed was not begun here.
    #[error("the key was not begun")]
    NotBegun,
    /// The store cannot be read or written now.
    #[error("the binding store cannot be used")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store was written by a newer version of this software.
    #[error("the binding store belongs to a newer version")]
    TooNew,
    /// A record does not parse.
    #[error("a record of the binding store is damaged")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}
