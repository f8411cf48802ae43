//! The record of which key exists, who owns it and which account it speaks for.

use std::error::Error;
use std::str::FromStr;

use async_trait::async_trait;
use device_key_types::{
    AccountUserId, Binding, ClientId, DeviceKeyId, ProtectionClass, PublicKey, StorageParentName,
    TpmKind, UnixTime,
};

use crate::{CreatedKey, KeyReference, OwnerUid};

/// How many keys of an owner may be being deleted, for each key that the owner may have.
pub const DELETIONS_PER_KEY: u32 = 4;

/// The one source of truth about which keys exist, who owns each key, and which account and client
/// it speaks for.
///
/// Callers poll the futures on a thread that is allowed to block, so an implementation on an
/// embedded database can do all its work in the first poll. Only [`get_now`](Self::get_now) is
/// called on the thread that receives requests.
#[async_trait]
pub trait DeviceKeyBindingStore: Send + Sync {
    /// Records that this process is about to create a key.
    ///
    /// If the owner already has `keys_per_owner` keys, not counting those that are being deleted,
    /// the error is [`BindingStoreError::QuotaExceeded`]. It is also the error if
    /// [`DELETIONS_PER_KEY`] times as many keys of the owner are being deleted, because a provider
    /// that cannot delete must not let one owner fill the disk. If a key of that name exists, the
    /// error is [`BindingStoreError::Conflict`] and the existing key stays as it is.
    async fn begin(&self, key: &CreatingKey, keys_per_owner: u32) -> Result<(), BindingStoreError>;

    /// Completes a key that was begun, with the facts that the provider returned. From now on the
    /// key is visible.
    async fn complete(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError>;

    /// The binding of a complete key of this owner; `None` for another owner's key.
    async fn get(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError>;

    /// The same binding, if it can be read without waiting for a lock, another thread or another
    /// process. `None` means only that [`get`](Self::get) must be asked, which also knows whether
    /// the key exists.
    fn get_now(&self, _key_id: &DeviceKeyId, _owner: OwnerUid) -> Option<DeviceKeyBinding> {
        None
    }

    /// The complete keys of this owner, in ascending order of the text of the key id. A call reads
    /// a bounded number of records, so it may return before the page is full. A damaged record is
    /// reported to the log and left out.
    async fn list(&self, owner: OwnerUid, page: &Page) -> Result<Listing, BindingStoreError>;

    /// Hides a complete key of this owner for good, before its material is removed, and returns
    /// the name of its provider. From now on only [`remove`](Self::remove) and
    /// [`abandoned`](Self::abandoned) find the key. `None` if there is no such key. A damaged
    /// record is hidden too, so that it can be removed.
    async fn begin_deletion(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<Option<Box<str>>, BindingStoreError>;

    /// The owners from one user id to another who have complete keys, in ascending order, at most
    /// so many as the limit.
    async fn owners(
        &self,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, BindingStoreError>;

    /// Hides all complete keys of an owner at once, as [`begin_deletion`](Self::begin_deletion)
    /// hides one. Returns how many there were.
    async fn begin_purge(&self, owner: OwnerUid, now: UnixTime) -> Result<u64, BindingStoreError>;

    /// Removes the record of a key in any phase. It is not an error if there is no record.
    async fn remove(&self, key_id: &DeviceKeyId) -> Result<(), BindingStoreError>;

    /// Writes something that changes no key. Fails if a key could not be recorded now, for example
    /// because the disk is full.
    async fn check_write(&self) -> Result<(), BindingStoreError> {
        Ok(())
    }

    /// The keys that nobody is creating any more, and the keys that any process began to delete:
    /// deleting a key twice does no harm. The answer never has a key that another live process is
    /// creating, nor a key that this process is creating, as `is_being_created` says. The record of
    /// a key is read again after the question, so a key that was completed meanwhile is left out.
    async fn abandoned(
        &self,
        is_being_created: &IsBeingCreated<'_>,
    ) -> Result<Vec<AbandonedKey>, BindingStoreError>;
}

/// Says whether a request of this process is creating a key.
pub type IsBeingCreated<'a> = dyn Fn(&DeviceKeyId) -> bool + Sync + 'a;

/// Where a key is in its life. A record goes forward through the phases, or from any phase but
/// `Ready` straight to its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyPhase {
    /// The provider may have material of the key. No caller sees the key.
    Creating,
    /// The key is complete, and its owner can use it.
    Ready,
    /// The key is hidden for good, and is to be removed.
    Deleting,
}

impl KeyPhase {
    /// The phases in their order.
    pub const ALL: &[Self] = &[Self::Creating, Self::Ready, Self::Deleting];

    /// The phase's name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
        }
    }
}

/// The text is not the name of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such phase")]
pub struct UnknownKeyPhase;

impl FromStr for KeyPhase {
    type Err = UnknownKeyPhase;

    fn from_str(text: &str) -> Result<Self, UnknownKeyPhase> {
        Self::ALL.iter().copied().find(|phase| phase.as_str() == text).ok_or(UnknownKeyPhase)
    }
}

/// A key that is about to be created.
#[derive(Clone, Debug)]
pub struct CreatingKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The user who may use the key.
    pub owner: OwnerUid,
    /// The account and client that the key will speak for.
    pub binding: Binding,
    /// The provider's name.
    pub provider: &'static str,
    /// The class that the provider gives.
    pub protection_class: ProtectionClass,
    /// The time of the request.
    pub created_at: UnixTime,
}

/// A complete key and its binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeyBinding {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The user who may use the key.
    pub owner: OwnerUid,
    /// The account and client that the key speaks for.
    pub binding: Binding,
    /// The provider's name.
    pub provider: Box<str>,
    /// What protects the private key.
    pub protection_class: ProtectionClass,
    /// The kind of TPM, for TPM keys.
    pub tpm_kind: Option<TpmKind>,
    /// The public key.
    pub public_key: PublicKey,
    /// The storage parent's Name, for TPM keys.
    pub storage_parent: Option<StorageParentName>,
    /// When the key was created.
    pub created_at: UnixTime,
    /// When this record last changed.
    pub updated_at: UnixTime,
}

impl DeviceKeyBinding {
    /// The facts that a provider needs to find the key.
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
    /// Only keys whose id is greater than this key id.
    pub after: Option<DeviceKeyId>,
    /// The largest number of keys to list.
    pub limit: u32,
}

/// The keys that one call of [`DeviceKeyBindingStore::list`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The keys, at most as many as the page has room for.
    pub keys: Vec<DeviceKeyBinding>,
    /// The key id after which the rest of the page is to be asked for. `None` if the page is full
    /// or there are no more records.
    pub unread_after: Option<DeviceKeyId>,
}

/// How many complete keys a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerKeys {
    /// The user.
    pub owner: OwnerUid,
    /// The number of keys.
    pub keys: u64,
}

/// A record that an interrupted creation or deletion left in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedKey {
    /// The key's name.
    pub key_id: DeviceKeyId,
    /// The provider that may hold material for the key.
    pub provider: Box<str>,
    /// Where the key's life stopped.
    pub phase: KeyPhase,
}

/// Why the store could not do what it was asked. The sources are for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum BindingStoreError {
    /// A key of that name exists.
    #[error("a key of that name exists")]
    Conflict,
    /// The owner has as many keys as an owner may have.
    #[error("the owner has as many keys as an owner may have")]
    QuotaExceeded,
    /// This process did not begin the key that it wants to complete.
    #[error("the key was not begun")]
    NotBegun,
    /// The store cannot be read or written now.
    #[error("the binding store cannot be used")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store was written by a newer version of this software.
    #[error("the binding store belongs to a newer version")]
    TooNew,
    /// A file or folder was replaced or removed while it was in use, so a write would be lost.
    #[error("the files of the binding store were replaced or removed while they were in use")]
    Replaced(#[source] Box<dyn Error + Send + Sync>),
    /// A record does not parse.
    #[error("a record of the binding store is damaged")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}
