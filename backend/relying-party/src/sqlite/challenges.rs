//! The challenges in the database. A challenge is used up by deleting its row.
//!
//! Each operation runs in a transaction of its caller.

use device_key_types::{AccountUserId, ChallengeId, Sha256Digest, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use crate::registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use crate::registry::columns::{connection_columns, enrollment_columns, read_record};
use crate::registry::error::{Outcome, RegistryError};
use crate::registry::stored::{StoredConnection, StoredEnrollment};

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
