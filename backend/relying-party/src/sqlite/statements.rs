//! The operations on the database. Each operation runs in a transaction of its caller.

use std::collections::HashSet;

use device_key_types::{AccountUserId, ChallengeId, DeviceKeyId, Sha256Digest, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

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

pub(super) fn put_enrollment(
    db: &Connection,
    challenge: &EnrollmentChallenge,
    at_most: u32,
    now: UnixTime,
) -> Outcome<()> {
    const SQL: &str = "
        INSERT INTO enrollment_challenges
            (challenge_id, nonce, account_user_id, client_id, expires_at)
        SELECT :challenge_id, :nonce, :account, :client_id, :expires_at
        WHERE (SELECT count(*) FROM enrollment_challenges
               WHERE account_user_id = :account AND expires_at > :now) < :at_most";
    let stored = db.prepare_cached(SQL)?.execute(named_params! {
        ":challenge_id": challenge.challenge_id.as_str(),
        ":nonce": challenge.nonce.as_bytes(),
        ":account": challenge.account_user_id.as_str(),
        ":client_id": challenge.client_id.as_str(),
        ":expires_at": challenge.expires_at.as_seconds(),
        ":now": now.as_seconds(),
        ":at_most": at_most,
    })?;
    if stored == 1 { Ok(()) } else { Err(RegistryError::QuotaExceeded) }
}

pub(super) fn enrollment(
    db: &Connection,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    now: UnixTime,
) -> Outcome<Option<OpenEnrollment>> {
    const SQL: &str = concat!(
        "SELECT ",
        enrollment_columns!(),
        " FROM enrollment_challenges
         WHERE challenge_id = ?1 AND account_user_id = ?2 AND expires_at > ?3"
    );
    let found = db
        .prepare_cached(SQL)?
        .query_row((challenge_id.as_str(), account.as_str(), now.as_seconds()), stored_enrollment)
        .optional()?;
    Ok(found.map(StoredEnrollment::parse).transpose()?)
}

pub(super) fn begin_attestation(
    db: &Connection,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    begun: &BegunAttestation,
    now: UnixTime,
) -> Outcome<bool> {
    const SQL: &str = "
        UPDATE enrollment_challenges
        SET attested_key_id = :key_id, attested_public_key = :public_key,
            credential_secret_sha256 = :secret, identity = :identity
        WHERE challenge_id = :challenge_id AND account_user_id = :account AND expires_at > :now
            AND credential_secret_sha256 IS NULL";
    let changed = db.prepare_cached(SQL)?.execute(named_params! {
        ":key_id": begun.key_id.to_string(),
        ":public_key": begun.public_key.spki_der(),
        ":secret": begun.credential_secret_sha256.as_bytes(),
        ":identity": begun.identity_json()?,
        ":challenge_id": challenge_id.as_str(),
        ":account": account.as_str(),
        ":now": now.as_seconds(),
    })?;
    Ok(changed == 1)
}

pub(super) fn take_enrollment(
    db: &Connection,
    challenge_id: &ChallengeId,
    account: &AccountUserId,
    now: UnixTime,
) -> Outcome<Option<OpenEnrollment>> {
    const SQL: &str = concat!(
        "DELETE FROM enrollment_challenges
         WHERE challenge_id = ?1 AND account_user_id = ?2 AND expires_at > ?3
         RETURNING ",
        enrollment_columns!()
    );
    let taken = db
        .prepare_cached(SQL)?
        .query_row((challenge_id.as_str(), account.as_str(), now.as_seconds()), stored_enrollment)
        .optional()?;
    Ok(taken.map(StoredEnrollment::parse).transpose()?)
}

pub(super) fn put_connection(
    db: &Connection,
    challenge: &ConnectionChallenge,
    at_most: u32,
    now: UnixTime,
) -> Outcome<()> {
    const SQL: &str = concat!(
        "INSERT INTO connection_challenges (",
        connection_columns!(),
        ") SELECT :token, :session_id, :nonce, :key_id, :account, :client_id, :expires_at
         WHERE (SELECT count(*) FROM connection_challenges
                WHERE account_user_id = :account AND expires_at > :now) < :at_most"
    );
    let stored = db.prepare_cached(SQL)?.execute(named_params! {
        ":token": challenge.token_sha256.as_bytes(),
        ":session_id": challenge.session_id.as_str(),
        ":nonce": challenge.nonce.as_bytes(),
        ":key_id": challenge.key_id.to_string(),
        ":account": challenge.account_user_id.as_str(),
        ":client_id": challenge.client_id.as_str(),
        ":expires_at": challenge.expires_at.as_seconds(),
        ":now": now.as_seconds(),
        ":at_most": at_most,
    })?;
    if stored == 1 { Ok(()) } else { Err(RegistryError::QuotaExceeded) }
}

pub(super) fn take_connection(
    db: &Connection,
    token_sha256: &Sha256Digest,
    now: UnixTime,
) -> Outcome<Option<ConnectionChallenge>> {
    const SQL: &str = concat!(
        "DELETE FROM connection_challenges WHERE token_sha256 = ?1 AND expires_at > ?2 RETURNING ",
        connection_columns!()
    );
    let taken = db
        .prepare_cached(SQL)?
        .query_row((token_sha256.as_bytes(), now.as_seconds()), stored_connection)
        .optional()?;
    Ok(taken.map(StoredConnection::parse).transpose()?)
}

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

pub(super) fn delete_expired(db: &Connection, now: UnixTime) -> Outcome<u64> {
    const ENROLLMENTS: &str = "DELETE FROM enrollment_challenges WHERE expires_at <= ?1";
    const CONNECTIONS: &str = "DELETE FROM connection_challenges WHERE expires_at <= ?1";
    let mut deleted = 0;
    for sql in [ENROLLMENTS, CONNECTIONS] {
        deleted += db.prepare_cached(sql)?.execute([now.as_seconds()])?;
    }
    Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
}

fn stored_enrollment(row: &Row<'_>) -> rusqlite::Result<StoredEnrollment> {
    Ok(read_record!(row, get, StoredEnrollment:
        challenge_id nonce account_user_id client_id expires_at attested_key_id attested_public_key
        credential_secret_sha256 identity))
}

fn stored_connection(row: &Row<'_>) -> rusqlite::Result<StoredConnection> {
    Ok(read_record!(row, get, StoredConnection:
        token_sha256 session_id nonce key_id account_user_id client_id expires_at))
}

fn stored_device(row: &Row<'_>) -> rusqlite::Result<StoredDevice> {
    Ok(read_record!(row, get, StoredDevice:
        key_id account_user_id client_id public_key_spki_der protection_class verified_kind
        enrolled_at revoked_at))
}
