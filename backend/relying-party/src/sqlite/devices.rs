//! The enrolled and revoked devices in the database.
//!
//! Each operation runs in a transaction of its caller.

use std::collections::HashSet;

use device_key_types::{AccountUserId, DeviceKeyId, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use crate::registry::columns::{device_columns, read_record};
use crate::registry::device::Device;
use crate::registry::error::{Outcome, RegistryError};
use crate::registry::stored::{StoredDevice, parsed};

pub(super) fn enroll(db: &Connection, device: &Device, at_most: u32) -> Outcome<()> {
    const SQL: &str = concat!(
        "INSERT INTO devices (",
        device_columns!(),
        ") SELECT :key_id, :account, :client_id, :public_key, :class, :kind, :enrolled_at, NULL
         WHERE (SELECT count(*) FROM devices
                WHERE account_user_id = :account AND revoked_at IS NULL) < :at_most
         ON CONFLICT DO NOTHING"
    );
    const HOLDER: &str = "
        SELECT revoked_at IS NOT NULL FROM devices
        WHERE key_id = ?1 OR public_key_spki_der = ?2 ORDER BY 1 DESC LIMIT 1";
    let key_id = device.key_id.to_string();
    let stored = db.prepare_cached(SQL)?.execute(named_params! {
        ":key_id": key_id,
        ":account": device.account_user_id.as_str(),
        ":client_id": device.client_id.as_str(),
        ":public_key": device.public_key.spki_der(),
        ":class": device.protection_class.as_str(),
        ":kind": device.verified_kind.as_str(),
        ":enrolled_at": device.enrolled_at.as_seconds(),
        ":at_most": at_most,
    })?;
    if stored == 1 {
        return Ok(());
    }
    let revoked = db
        .prepare_cached(HOLDER)?
        .query_row((key_id, device.public_key.spki_der()), |row| row.get(0))
        .optional()?;
    Err(RegistryError::not_enrolled(revoked))
}

pub(super) fn device(db: &Connection, key_id: &DeviceKeyId) -> Outcome<Option<Device>> {
    const SQL: &str = concat!("SELECT ", device_columns!(), " FROM devices WHERE key_id = ?1");
    let found =
        db.prepare_cached(SQL)?.query_row([key_id.to_string()], stored_device).optional()?;
    Ok(found.map(StoredDevice::parse).transpose()?)
}

pub(super) fn list(db: &Connection, account: &AccountUserId) -> Outcome<Vec<Device>> {
    const SQL: &str = concat!(
        "SELECT ",
        device_columns!(),
        " FROM devices WHERE account_user_id = ?1 AND revoked_at IS NULL
         ORDER BY enrolled_at, key_id"
    );
    let mut query = db.prepare_cached(SQL)?;
    let rows = query.query_map([account.as_str()], stored_device)?;
    rows.map(|row| Ok(row?.parse()?)).collect()
}

pub(super) fn revoke(
    db: &Connection,
    account: &AccountUserId,
    key_id: &DeviceKeyId,
    now: UnixTime,
) -> Outcome<bool> {
    const SQL: &str = "
        UPDATE devices SET revoked_at = ?3
        WHERE key_id = ?1 AND account_user_id = ?2 AND revoked_at IS NULL";
    const TOKENS: &str = "DELETE FROM connection_challenges WHERE key_id = ?1";
    let key_id = key_id.to_string();
    let revoked =
        db.prepare_cached(SQL)?.execute((&key_id, account.as_str(), now.as_seconds()))? == 1;
    if revoked {
        db.prepare_cached(TOKENS)?.execute([&key_id])?;
    }
    Ok(revoked)
}

pub(super) fn still_enrolled(
    db: &Connection,
    key_ids: &[DeviceKeyId],
) -> Outcome<HashSet<DeviceKeyId>> {
    const SQL: &str = "
        SELECT key_id FROM devices
        WHERE key_id IN (SELECT value FROM json_each(?1)) AND revoked_at IS NULL";
    // A key id contains no character that JSON escapes.
    let names: Vec<_> = key_ids.iter().map(|key_id| format!("\"{key_id}\"")).collect();
    let mut query = db.prepare_cached(SQL)?;
    let rows =
        query.query_map([format!("[{}]", names.join(","))], |row| row.get::<_, String>(0))?;
    rows.map(|row| Ok(parsed("key_id", &row?)?)).collect()
}

fn stored_device(row: &Row<'_>) -> rusqlite::Result<StoredDevice> {
    Ok(read_record!(row, get, StoredDevice:
        key_id account_user_id client_id public_key_spki_der protection_class verified_kind
        enrolled_at revoked_at))
}
