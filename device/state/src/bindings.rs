//! The queries of the table `device_key_bindings`, as blocking methods.

use device_key::{
    BindingStoreError, CreatedKey, CreatingKey, DELETIONS_PER_KEY, DeviceKeyBinding, Listing,
    OwnerUid, Page,
};
use device_key_types::{
    AccountUserId, ClientId, DeviceKeyId, StorageParentName, TpmKind, UnixTime,
};
use rusqlite::{Connection, OptionalExtension, named_params};
use tracing::warn;

use crate::error::DatabaseError;
use crate::record::{self, binding_columns};
use crate::runtime::StateRuntime;

const LOOK_UP: &str = concat!(
    "SELECT ",
    binding_columns!(),
    " FROM device_key_bindings WHERE key_id = ?1 AND owner_uid = ?2 AND phase = 'ready'"
);

/// A part of an owner's keys in the order of their ids, through the index that fits the filter.
/// `key_id > ''` matches every key.
macro_rules! part_of_page {
    ($filter:literal) => {
        concat!(
            "SELECT ",
            binding_columns!(),
            ", key_id FROM device_key_bindings WHERE owner_uid = ?1 AND key_id > ?2 \
             AND phase = 'ready' ",
            $filter,
            " ORDER BY key_id LIMIT ?3"
        )
    };
}
const PART: &str = part_of_page!("AND ?4 IS NULL");
const PART_OF_ACCOUNT: &str = part_of_page!("AND account_user_id = ?4");
const PART_OF_CLIENT: &str = part_of_page!("AND client_id = ?4");

/// How many records one call of `list` reads. Reading so many took 1 ms without optimisation.
const RECORDS_AT_A_TIME: u32 = 256;

/// How many keys an owner has, and how many of the owner's keys are being deleted. Each count uses
/// one of the two partial indexes.
const COUNTS_OF_OWNER: &str = "\
    SELECT (SELECT count(*) FROM device_key_bindings WHERE owner_uid = ?1 AND phase = 'ready') + \
    count(*) FILTER (WHERE phase = 'creating'), count(*) FILTER (WHERE phase = 'deleting') \
    FROM device_key_bindings WHERE owner_uid = ?1 AND phase <> 'ready' \
    AND phase IN ('creating', 'deleting')";

const BEGIN_DELETION: &str = "\
    UPDATE device_key_bindings SET phase = 'deleting', updated_at = ?3 \
    WHERE key_id = ?1 AND owner_uid = ?2 AND phase = 'ready' RETURNING provider";

const BEGIN: &str = "\
    INSERT INTO device_key_bindings (key_id, owner_uid, account_user_id, client_id, created_at, \
    updated_at, phase, provider, protection_class, creator_lease) VALUES (:key_id, :owner_uid, \
    :account_user_id, :client_id, :created_at, :created_at, 'creating', :provider, \
    :protection_class, :creator_lease)";

/// Completes only a key that this runtime began, because the lease must be its own lease.
const COMPLETE: &str = "\
    UPDATE device_key_bindings SET phase = 'ready', creator_lease = NULL, updated_at = :now, \
    public_key_spki_der = :public_key, tpm_kind = :tpm_kind, storage_parent_name = :storage_parent \
    WHERE key_id = :key_id AND phase = 'creating' AND creator_lease = :creator_lease";

const DELETE: &str = "DELETE FROM device_key_bindings WHERE key_id = ?1 RETURNING creator_lease";

const ALL: &str = concat!(
    "SELECT ",
    binding_columns!(),
    ", key_id FROM device_key_bindings WHERE phase = 'ready' ORDER BY key_id"
);

const KEY_IDS: &str = "SELECT key_id FROM device_key_bindings";

const COUNT: &str = "\
    SELECT count(*) FILTER (WHERE phase = 'creating'), count(*) FILTER (WHERE phase = 'ready'), \
    count(*) FILTER (WHERE phase = 'deleting') FROM device_key_bindings";

/// The number of keys in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounts {
    /// Keys that are being created. The processes that began them may have ended.
    pub creating: u64,
    /// Keys that are complete.
    pub ready: u64,
    /// Keys that are hidden and about to be removed.
    pub deleting: u64,
}

/// These methods block while the disk works. A write also waits while another process writes, for
/// at most two seconds.
impl StateRuntime {
    /// Returns the binding of a complete key of this owner.
    pub fn get_binding(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Result<Option<DeviceKeyBinding>, BindingStoreError> {
        Ok(self.read(|connection| look_up(connection, key_id, owner))?)
    }

    /// Returns the same binding, if no other thread and no other process is in the way.
    pub(crate) fn binding_at_hand(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
    ) -> Option<DeviceKeyBinding> {
        self.read_at_once(|connection| look_up(connection, key_id, owner)).flatten()
    }

    /// Returns this owner's complete keys, in ascending order of the text of the key id. The texts
    /// are compared byte by byte, which is not the order of [`DeviceKeyId`] values.
    ///
    /// Give `unread_after`, or the last id of a page, as `after` to go on. If keys are created or
    /// removed in between, no other key is repeated or left out.
    pub fn list_bindings(
        &self,
        owner: OwnerUid,
        page: &Page,
    ) -> Result<Listing, BindingStoreError> {
        let after = page.after.as_ref().map_or_else(String::new, ToString::to_string);
        let account_user_id = page.account_user_id.as_ref().map(AccountUserId::as_str);
        let client_id = page.client_id.as_ref().map(ClientId::as_str);
        let (sql, filter) = match (account_user_id, client_id) {
            (Some(account), _) => (PART_OF_ACCOUNT, Some(account)),
            (None, Some(client)) => (PART_OF_CLIENT, Some(client)),
            (None, None) => (PART, None),
        };
        let client_id = page.client_id.as_ref();
        let room = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let listing = self.read(|connection| {
            let mut part = connection.prepare_cached(sql)?;
            let mut rows = part.query((owner.as_raw(), after, RECORDS_AT_A_TIME, filter))?;
            let (mut keys, mut read, mut last) = (Vec::new(), 0_u32, None);
            while keys.len() < room
                && let Some(row) = rows.next()?
            {
                read = read.saturating_add(1);
                let Some(key_id) = readable(record::key_id(row, 9), None)? else { continue };
                last = Some(key_id);
                if let Some(true) = readable(record::is_of_client(row, client_id), last)?
                    && let Some(key) = readable(record::binding(row, key_id, owner), last)?
                {
                    keys.push(key);
                }
            }
            let is_part = read == RECORDS_AT_A_TIME && keys.len() < room;
            if is_part && last.is_none() {
                return Err(DatabaseError::Record { column: "key_id" });
            }
            Ok(Listing { keys, unread_after: last.filter(|_| is_part) })
        })?;
        Ok(listing)
    }

    /// Hides a complete key of this owner, and returns the name of its provider. Reads nothing else
    /// of the record, which may be damaged.
    pub(crate) fn begin_deletion_of(
        &self,
        key_id: &DeviceKeyId,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<Option<Box<str>>, DatabaseError> {
        self.write_to_delete(|transaction| {
            let mut hide = transaction.prepare_cached(BEGIN_DELETION)?;
            let mut rows = hide.query((key_id.to_string(), owner.as_raw(), now.as_seconds()))?;
            rows.next()?.map(|row| record::provider(row, 0)).transpose()
        })
    }

    /// Removes the record of a key in any phase. Returns whether there was a record.
    pub(crate) fn delete_binding(&self, key_id: &DeviceKeyId) -> Result<bool, BindingStoreError> {
        let deleted: Option<Option<String>> = self.write_to_delete(|transaction| {
            let mut delete = transaction.prepare_cached(DELETE)?;
            Ok(delete.query_row([key_id.to_string()], |row| row.get(0)).optional()?)
        })?;
        if let Some(Some(lease)) = &deleted
            && self.leases().taken().is_none_or(|own| own.as_str() != lease)
        {
            // The record is removed, as requested. The next sweep removes the lease files.
            if let Err(error) = self.leases().sweep() {
                warn!(%error, "lease files of dead processes are still there");
            }
        }
        Ok(deleted.is_some())
    }

    /// Returns the ids of all keys of all owners, in any phase. Callers compare them with the keys
    /// that a provider holds.
    pub fn key_ids(&self) -> Result<Vec<DeviceKeyId>, BindingStoreError> {
        let ids = self.read(|connection| {
            let mut all = connection.prepare_cached(KEY_IDS)?;
            let mut rows = all.query(())?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                ids.extend(readable(record::key_id(row, 0), None)?);
            }
            Ok(ids)
        })?;
        Ok(ids)
    }

    /// Returns the ids of complete keys whose records are damaged. Reads every record.
    pub fn damaged_key_ids(&self) -> Result<Vec<DeviceKeyId>, BindingStoreError> {
        let ids = self.read(|connection| {
            let mut all = connection.prepare_cached(ALL)?;
            let mut rows = all.query(())?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some(key_id) = readable(record::key_id(row, 9), None)?
                    && readable(record::binding(row, key_id, OwnerUid::new(0)), None)?.is_none()
                {
                    ids.push(key_id);
                }
            }
            Ok(ids)
        })?;
        Ok(ids)
    }

    /// Counts the keys of all owners in each phase. Reads every record.
    pub fn count_by_phase(&self) -> Result<PhaseCounts, BindingStoreError> {
        let counts = self.read(|connection| {
            let mut count = connection.prepare_cached(COUNT)?;
            let counts: [i64; 3] =
                count.query_row((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
            let [creating, ready, deleting] = counts.map(i64::unsigned_abs);
            Ok(PhaseCounts { creating, ready, deleting })
        })?;
        Ok(counts)
    }

    pub(crate) fn begin_key(
        &self,
        key: &CreatingKey,
        keys_per_owner: u32,
    ) -> Result<(), BindingStoreError> {
        // A lease file in a folder that was moved would be lost.
        self.check_in_place()?;
        // The lease is taken before its name is written, so a process that reads the name finds the
        // lease locked.
        let lease = self.leases().take()?;
        let has_room = self.write(|transaction| {
            let mut counts = transaction.prepare_cached(COUNTS_OF_OWNER)?;
            let counts = counts.query_row([key.owner.as_raw()], |row| row.try_into());
            let (owned, deleting): (i64, i64) = counts?;
            let quota = i64::from(keys_per_owner);
            if owned >= quota || deleting >= quota.saturating_mul(DELETIONS_PER_KEY.into()) {
                return Ok(false);
            }
            transaction.prepare_cached(BEGIN)?.execute(named_params! {
                ":key_id": key.key_id.to_string(),
                ":owner_uid": key.owner.as_raw(),
                ":account_user_id": key.binding.account_user_id.as_str(),
                ":client_id": key.binding.client_id.as_str(),
                ":created_at": key.created_at.as_seconds(),
                ":provider": key.provider,
                ":protection_class": key.protection_class.as_str(),
                ":creator_lease": lease.as_str(),
            })?;
            Ok(true)
        })?;
        if has_room { Ok(()) } else { Err(BindingStoreError::QuotaExceeded) }
    }

    pub(crate) fn complete_key(
        &self,
        key_id: &DeviceKeyId,
        created: &CreatedKey,
        now: UnixTime,
    ) -> Result<(), BindingStoreError> {
        let lease = self.leases().taken().ok_or(BindingStoreError::NotBegun)?;
        let changed = self.write(|transaction| {
            let changed = transaction.prepare_cached(COMPLETE)?.execute(named_params! {
                ":key_id": key_id.to_string(),
                ":now": now.as_seconds(),
                ":public_key": created.public_key.spki_der(),
                ":tpm_kind": created.tpm_kind.map(TpmKind::as_str),
                ":storage_parent": created.storage_parent.as_ref().map(StorageParentName::as_bytes),
                ":creator_lease": lease.as_str(),
            })?;
            Ok(changed)
        })?;
        if changed == 1 { Ok(()) } else { Err(BindingStoreError::NotBegun) }
    }
}

fn look_up(
    connection: &Connection,
    key_id: &DeviceKeyId,
    owner: OwnerUid,
) -> Result<Option<DeviceKeyBinding>, DatabaseError> {
    let mut look_up = connection.prepare_cached(LOOK_UP)?;
    let mut rows = look_up.query((key_id.to_string(), owner.as_raw()))?;
    rows.next()?.map(|row| record::binding(row, *key_id, owner)).transpose()
}

/// Reports a damaged record and goes on without it.
pub(crate) fn readable<T>(
    read: Result<T, DatabaseError>,
    key_id: Option<DeviceKeyId>,
) -> Result<Option<T>, DatabaseError> {
    match read {
        Err(error @ DatabaseError::Record { .. }) => {
            let key_id = key_id.map(tracing::field::display);
            warn!(key_id, %error, "a damaged record is left out; the key can be deleted");
            Ok(None)
        }
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests;
