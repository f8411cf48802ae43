//! The challenges in the database. A challenge is used up by deleting its row.

use deadpool_postgres::Object;
use device_key_types::{AccountUserId, ChallengeId, Sha256Digest, UnixTime};
use tokio_postgres::Row;

use super::statements::{Values, changed, insert_within_quota, one, transaction_of};
use crate::registry::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use crate::registry::columns::{connection_columns, enrollment_columns, read_record};
use crate::registry::error::Outcome;
use crate::registry::stored::{StoredConnection, StoredEnrollment};

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

pub(super) async fn delete_expired(client: &Object, now: UnixTime) -> Outcome<u64> {
    const ENROLLMENTS: &str = "DELETE FROM enrollment_challenges WHERE expires_at <= $1";
    const CONNECTIONS: &str = "DELETE FROM connection_challenges WHERE expires_at <= $1";
    let mut deleted = 0;
    for sql in [ENROLLMENTS, CONNECTIONS] {
        deleted += changed(client, sql, &[&now.as_seconds()]).await?;
    }
    Ok(deleted)
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
