//! The enrolled and revoked devices in the database.

use std::collections::HashSet;

use deadpool_postgres::Object;
use device_key_types::{AccountUserId, DeviceKeyId, UnixTime};
use tokio_postgres::Row;

use super::statements::{Values, one, transaction_of};
use crate::registry::columns::{device_columns, read_record};
use crate::registry::device::Device;
use crate::registry::error::{Outcome, RegistryError};
use crate::registry::stored::{StoredDevice, parsed};

pub(super) async fn enroll(client: &mut Object, device: &Device, at_most: u32) -> Outcome<()> {
    const SQL: &str = concat!(
        "INSERT INTO devices (",
        device_columns!(),
        ") SELECT $1::text, $2::text, $3::text, $4::bytea, $5::text, $6::text, $7::bigint, NULL
         WHERE (SELECT count(*) FROM devices
                WHERE account_user_id = $2 AND revoked_at IS NULL) < $8
         ON CONFLICT DO NOTHING"
    );
    const HOLDER: &str = "
        SELECT revoked_at IS NOT NULL FROM devices
        WHERE key_id = $1 OR public_key_spki_der = $2 ORDER BY 1 DESC LIMIT 1";
    let key_id = device.key_id.to_string();
    let transaction = transaction_of(client, &device.account_user_id).await?;
    let values: Values<'_> = &[
        &key_id,
        &device.account_user_id.as_str(),
        &device.client_id.as_str(),
        &device.public_key.spki_der(),
        &device.protection_class.as_str(),
        &device.verified_kind.as_str(),
        &device.enrolled_at.as_seconds(),
        &i64::from(at_most),
    ];
    let statement = transaction.prepare_cached(SQL).await?;
    if transaction.execute(&statement, values).await? == 1 {
        return Ok(transaction.commit().await?);
    }
    let statement = transaction.prepare_cached(HOLDER).await?;
    let key = device.public_key.spki_der();
    let holder = transaction.query_opt(&statement, &[&key_id, &key]).await?;
    let revoked = holder.map(|row| row.try_get(0)).transpose()?;
    Err(RegistryError::not_enrolled(revoked))
}

pub(super) async fn device(client: &Object, key_id: &DeviceKeyId) -> Outcome<Option<Device>> {
    const SQL: &str = concat!("SELECT ", device_columns!(), " FROM devices WHERE key_id = $1");
    let found = one(client, SQL, &[&key_id.to_string()]).await?;
    found.map(|row| Ok(stored_device(&row)?.parse()?)).transpose()
}

pub(super) async fn list(client: &Object, account: &AccountUserId) -> Outcome<Vec<Device>> {
    const SQL: &str = concat!(
        "SELECT ",
        device_columns!(),
        " FROM devices WHERE account_user_id = $1 AND revoked_at IS NULL
         ORDER BY enrolled_at, key_id"
    );
    let statement = client.prepare_cached(SQL).await?;
    let rows = client.query(&statement, &[&account.as_str()]).await?;
    rows.iter().map(|row| Ok(stored_device(row)?.parse()?)).collect()
}

pub(super) async fn revoke(
    client: &Object,
    account: &AccountUserId,
    key_id: &DeviceKeyId,
    now: UnixTime,
) -> Outcome<bool> {
    const SQL: &str = "
        WITH revoked AS (
            UPDATE devices SET revoked_at = $3
            WHERE key_id = $1 AND account_user_id = $2 AND revoked_at IS NULL
            RETURNING key_id
        ), tokens AS (
            DELETE FROM connection_challenges WHERE key_id IN (SELECT key_id FROM revoked)
        )
        SELECT key_id FROM revoked";
    let values: Values<'_> = &[&key_id.to_string(), &account.as_str(), &now.as_seconds()];
    Ok(one(client, SQL, values).await?.is_some())
}

pub(super) async fn still_enrolled(
    client: &Object,
    key_ids: &[DeviceKeyId],
) -> Outcome<HashSet<DeviceKeyId>> {
    const SQL: &str = "SELECT key_id FROM devices WHERE key_id = ANY($1) AND revoked_at IS NULL";
    let names: Vec<String> = key_ids.iter().map(ToString::to_string).collect();
    let statement = client.prepare_cached(SQL).await?;
    let rows = client.query(&statement, &[&names]).await?;
    rows.iter().map(|row| Ok(parsed("key_id", row.try_get(0)?)?)).collect()
}

fn stored_device(row: &Row) -> Result<StoredDevice, tokio_postgres::Error> {
    Ok(read_record!(row, try_get, StoredDevice:
        key_id account_user_id client_id public_key_spki_der protection_class verified_kind
        enrolled_at revoked_at))
}
