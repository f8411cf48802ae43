//! Finds abandoned keys: keys that a process began before it ended, and keys that are partly
//! deleted.

use std::collections::BTreeMap;

use device_key::AbandonedKey;
use device_key_private_fs::{FileName, PrivateFsError};
use device_key_types::DeviceKeyId;
use rusqlite::{Connection, Row};
use tracing::warn;

use crate::bindings::readable;
use crate::error::DatabaseError;
use crate::record;
use crate::runtime::StateRuntime;

/// The first condition must equal the condition of the partial index word for word, so that SQLite
/// uses the index. The lease is NULL if a deletion was begun.
const PENDING: &str = "\
    SELECT key_id, provider, phase, creator_lease FROM device_key_bindings \
    WHERE phase <> 'ready' AND phase IN ('creating', 'deleting') ORDER BY key_id";

const STILL_BEGUN: &str = "\
    SELECT EXISTS (SELECT 1 FROM device_key_bindings \
    WHERE key_id = ?1 AND phase = 'creating' AND creator_lease = ?2)";

/// A key that is being created or deleted.
struct PendingKey {
    key: AbandonedKey,
    /// The lease of the process that creates the key. A deletion has no lease, because deleting
    /// twice does no harm.
    lease: Option<FileName>,
}

impl StateRuntime {
    /// Lists the abandoned keys. Changes neither a record nor a lease.
    pub(crate) fn abandoned_keys(
        &self,
        is_being_created: impl Fn(&DeviceKeyId) -> bool,
        is_held: impl Fn(&FileName) -> Result<bool, PrivateFsError>,
    ) -> Result<Vec<AbandonedKey>, DatabaseError> {
        let pending = self.read(pending_keys)?;
        let own = self.leases().taken();
        let mut holders: BTreeMap<FileName, bool> = BTreeMap::new();
        let mut abandoned = Vec::new();
        for PendingKey { key, lease } in pending {
            let Some(lease) = lease else {
                abandoned.push(key);
                continue;
            };
            let alive = if own.as_ref() == Some(&lease) {
                is_being_created(&key.key_id)
            } else {
                *holders.entry(lease.clone()).or_insert_with(|| {
                    is_held(&lease).unwrap_or_else(|error| {
                        warn!(%error, "a lease cannot be checked, so its keys are not touched");
                        true
                    })
                })
            };
            // The creator may have completed the key and ended after the record was read, so the
            // record is read again. Now that the creator has ended, nobody can complete the key.
            if !alive && self.read(|connection| still_begun(connection, &key, &lease))? {
                abandoned.push(key);
            }
        }
        Ok(abandoned)
    }
}

fn pending_keys(connection: &Connection) -> Result<Vec<PendingKey>, DatabaseError> {
    let mut select = connection.prepare(PENDING)?;
    let mut rows = select.query(())?;
    let mut pending = Vec::new();
    while let Some(row) = rows.next()? {
        pending.extend(readable(pending_key(row), None)?);
    }
    Ok(pending)
}

fn pending_key(row: &Row<'_>) -> Result<PendingKey, DatabaseError> {
    let (key_id, provider) = (record::key_id(row, 0)?, record::provider(row, 1)?);
    let (phase, lease) = (record::phase(row, 2)?, record::creator_lease(row, 3)?);
    Ok(PendingKey { key: AbandonedKey { key_id, provider, phase }, lease })
}

fn still_begun(
    connection: &Connection,
    key: &AbandonedKey,
    lease: &FileName,
) -> Result<bool, DatabaseError> {
    let mut exists = connection.prepare_cached(STILL_BEGUN)?;
    Ok(exists.query_row((key.key_id.to_string(), lease.as_str()), |row| row.get(0))?)
}

#[cfg(test)]
mod tests;
