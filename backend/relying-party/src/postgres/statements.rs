//! How statements run on a connection. Each connection prepares each statement once.

use deadpool_postgres::{Object, Transaction};
use device_key_types::AccountUserId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::registry::error::{Outcome, RegistryError};

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Locks an account. Two accounts with equal hashes wait for each other, which is harmless.
const ACCOUNT_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";

pub(super) async fn ready(client: &Object) -> Outcome<()> {
    // A standby answers reads, but refuses this.
    let version = "UPDATE device_key_registry_schema SET version = version RETURNING version";
    one(client, version, &[]).await?;
    Ok(())
}

/// Begins a transaction that holds the lock of this account, so that only this transaction counts
/// the account's rows.
pub(super) async fn transaction_of<'a>(
    client: &'a mut Object,
    account: &AccountUserId,
) -> Outcome<Transaction<'a>> {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(ACCOUNT_LOCK).await?;
    transaction.execute(&statement, &[&account.as_str()]).await?;
    Ok(transaction)
}

/// Runs an insert that does nothing if the account has reached its limit, and commits.
pub(super) async fn insert_within_quota(
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

pub(super) async fn one(client: &Object, sql: &str, values: Values<'_>) -> Outcome<Option<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

pub(super) async fn changed(client: &Object, sql: &str, values: Values<'_>) -> Outcome<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}
