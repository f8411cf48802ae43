//! The operations on the database. Each connection prepares each statement once.

use std::collections::HashSet;

use deadpool_postgres::{Object, Transaction};
use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use crate::registry::columns::{
    connection_columns, device_columns, enrollment_columns, read_record,
};
use crate::registry::device::Device;
use crate::registry::error::RegistryError;
use crate::registry::stored::{StoredConnection, StoredDevice, StoredEnrollment, parsed};

type Outcome<T> = Result<T, RegistryError>;
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Locks an account. Two accounts with equal hashes wait for each other, which is harmless.
const ACCOUNT_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";

pub(super) async fn put_enrollment(
    client: &mut Object,
    challenge: &EnrollmentChallenge,
    at_most: u32,
    now: UnixTime,
) -> Outcome<()> {
    const SQL: &str = "
        INSERT INTO enrollment_challenges
            (challenge_id, nonce, account_user_id, client_id, expires_at)
        SELECT $1::text, $2::bytea, $3::text, $4::text, $5::bigint
        WHERE (SELECT count(*) FROM enrollment_challenges
               WHERE account_user_id = $3 AND expires_at > $6) < $7";
    let transaction = transaction_of(client, &challenge.account_user_id).await?;
    let values: Values<'_> = &[
        &challenge.challenge_id.as_str(),
        &challenge.nonce.as_bytes(),
        &challenge.account_user_id.as_str(),
        &challenge.client_id.as_str(),
        &challenge.expires_at.as_seconds(),
        &now.as_seconds(),
        &i64::from(at_most),
    ];
    insert_within_quota(transaction, SQL, values).await
}

pub(super) async fn enrollment(
    client: &Object,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    now: UnixTime,
) -> Outcome<Option<OpenEnrollment>> {
    const SQL: &str = concat!(
        "SELECT ",
        enrollment_columns!(),
        " FROM enrollment_challenges
         WHERE challenge_id = $1 AND account_user_id = $2 AND expires_at > $3"
    );
    let values: Values<'_> = &[&challenge_id.as_str(), &account.as_str(), &now.as_seconds()];
    let found = one(client, SQL, values).await?;
    found.map(|row| Ok(stored_enrollment(&row)?.parse()?)).transpose()
}

pub(super) async fn begin_attestation(
    client: &Object,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    begun: &BegunAttestation,
    now: UnixTime,
) -> Outcome<bool> {
    const SQL: &str = "
        UPDATE enrollment_challenges
        SET attested_key_id = $1, attested_public_key = $2, credential_secret_sha256 = $3,
            identity = $4
        WHERE challenge_id = $5 AND account_user_id = $6 AND expires_at > $7
            AND credential_secret_sha256 IS NULL";
    let values: Values<'_> = &[
        &begun.key_id.to_string(),
        &begun.public_key.spki_der(),
        &begun.credential_secret_sha256.as_bytes().as_slice(),
        &begun.identity_json()?,
        &challenge_id.as_str(),
        &account.as_str(),
        &now.as_seconds(),
    ];
    Ok(changed(client, SQL, values).await? == 1)
}

pub(super) async fn take_enrollment(
    client: &Object,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    now: UnixTime,
) -> Outcome<Option<OpenEnrollment>> {
    const SQL: &str = concat!(
        "DELETE FROM enrollment_challenges
         WHERE challenge_id = $1 AND account_user_id = $2 AND expires_at > $3
         RETURNING ",
        enrollment_columns!()
    );
    let values: Values<'_> = &[&challenge_id.as_str(), &account.as_str(), &now.as_seconds()];
    let taken = one(client, SQL, values).await?;
    taken.map(|row| Ok(stored_enrollment(&row)?.parse()?)).transpose()
}

pub(super) async fn put_connection(
    client: &mut Object,
    challenge: &ConnectionChallenge,
    at_most: u32,
    now: UnixTime,
) -> Outcome<()> {
    const SQL: &str = concat!(
        "INSERT INTO connection_challenges (",
        connection_columns!(),
        ") SELECT $1::bytea, $2::text, $3::bytea, $4::text, $5::text, $6::text, $7::bigint
         WHERE (SELECT count(*) FROM connection_challenges
                WHERE account_user_id = $5 AND expires_at > $8) < $9"
    );
    let transaction = transaction_of(client, &challenge.account_user_id).await?;
    let values: Values<'_> = &[
        &challenge.token_sha256.as_bytes().as_slice(),
        &challenge.session_id.as_str(),
        &challenge.nonce.as_bytes(),
        &challenge.key_id.to_string(),
        &challenge.account_user_id.as_str(),
        &challenge.client_id.as_str(),
        &challenge.expires_at.as_seconds(),
        &now.as_seconds(),
        &i64::from(at_most),
    ];
    insert_within_quota(transaction, SQL, values).await
}

pub(super) async fn take_connection(
    client: &Object,
    token_sha256: &Sha256Digest,
    now: UnixTime,
) -> Outcome<Option<ConnectionChallenge>> {
    const SQL: &str = concat!(
        "DELETE FROM connection_challenges WHERE token_sha256 = $1 AND expires_at > $2 RETURNING ",
        connection_columns!()
    );
    let taken = one(client, SQL, &[&token_sha256.as_bytes().as_slice(), &now.as_seconds()]).await?;
    taken.map(|row| Ok(stored_connection(&row)?.parse()?)).transpose()
}

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

pub(super) async fn delete_expired(client: &Object, now: UnixTime) -> Outcome<u64> {
    const ENROLLMENTS: &str = "DELETE FROM enrollment_challenges WHERE expires_at <= $1";
    const CONNECTIONS: &str = "DELETE FROM connection_challenges WHERE expires_at <= $1";
    let mut deleted = 0;
    for sql in [ENROLLMENTS, CONNECTIONS] {
        deleted += changed(client, sql, &[&now.as_seconds()]).await?;
    }
    Ok(deleted)
}

pub(super) async fn ready(client: &Object) -> Outcome<()> {
    one(client, "SELECT 1 FROM device_key_registry_schema", &[]).await?;
    Ok(())
}

/// Begins a transaction that holds the lock of this account, so that only this transaction counts
/// the account's rows.
async fn transaction_of<'a>(
    client: &'a mut Object,
    account: &AccountUserId,
) -> Outcome<Transaction<'a>> {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(ACCOUNT_LOCK).await?;
    transaction.execute(&statement, &[&account.as_str()]).await?;
    Ok(transaction)
}

/// Runs an insert that does nothing if the account has reached its limit, and commits.
async fn insert_within_quota(
    transaction: Transaction<'_>,
    sql: &str,
    values: Values<'_>,
) -> Outcome<()> {
    let statement = transaction.prepare_cached(sql).await?;
    if transaction.execute(&statement, values).await? == 1 {
        Ok(transaction.commit().await?)
    } else {
        Err(RegistryError::QuotaExceeded)
    }
}

async fn one(client: &Object, sql: &str, values: Values<'_>) -> Outcome<Option<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

async fn changed(client: &Object, sql: &str, values: Values<'_>) -> Outcome<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

fn stored_enrollment(row: &Row) -> Result<StoredEnrollment, tokio_postgres::Error> {
    Ok(read_record!(row, try_get, StoredEnrollment:
        challenge_id nonce account_user_id client_id expires_at attested_key_id attested_public_key
        credential_secret_sha256 identity))
}

fn stored_connection(row: &Row) -> Result<StoredConnection, tokio_postgres::Error> {
    Ok(read_record!(row, try_get, StoredConnection:
        token_sha256 session_id nonce key_id account_user_id client_id expires_at))
}

fn stored_device(row: &Row) -> Result<StoredDevice, tokio_postgres::Error> {
    Ok(read_record!(row, try_get, StoredDevice:
        key_id account_user_id client_id public_key_spki_der protection_class verified_kind
        enrolled_at revoked_at))
}
