//! The versions of the schema. Each version is a file that never changes after its release.

use deadpool_postgres::Object;

use super::error::PostgresError;
use crate::registry::error::RegistryError;

const STEPS: [&str; 1] = [include_str!("../../migrations/postgres/0001_registry.sql")];

/// Lets one process migrate at a time. The end of the transaction releases the lock.
const MIGRATION_LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('device-key-registry', 0))";
/// The table has exactly one row.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS device_key_registry_schema (
        only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
        version BIGINT NOT NULL
    )";
const VERSION: &str = "SELECT version FROM device_key_registry_schema";
const SET_VERSION: &str = "
    INSERT INTO device_key_registry_schema (version) VALUES ($1)
    ON CONFLICT (only_row) DO UPDATE SET version = excluded.version";

/// Migrates the database to the current version, in one transaction.
pub(super) async fn migrate(client: &mut Object) -> Result<(), RegistryError> {
    let known = u32::try_from(STEPS.len()).map_err(|_| PostgresError::Foreign)?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(MIGRATION_LOCK).await?;
    transaction.batch_execute(TABLE).await?;
    let row = transaction.query_opt(VERSION, &[]).await?;
    let found: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    let found = u32::try_from(found).map_err(|_| PostgresError::Foreign)?;
    if found > known {
        return Err(RegistryError::TooNew { found, known });
    }
    let done = usize::try_from(found).map_err(|_| PostgresError::Foreign)?;
    for step in STEPS.iter().skip(done) {
        transaction.batch_execute(step).await?;
    }
    if found < known {
        transaction.execute(SET_VERSION, &[&i64::from(known)]).await?;
    }
    Ok(transaction.commit().await?)
}

#[cfg(test)]
mod tests {
    use device_key_types::Sha256Digest;

    use super::*;

    /// Databases of users have run exactly these bytes, so add a step instead of changing a step.
    #[test]
    fn released_steps_do_not_change() {
        let digests = STEPS.map(|step| Sha256Digest::of(step.as_bytes()).to_string());
        assert_eq!(digests, ["AXKK61Gsn-33U7g2ZaI7HIby9WBwvVrhvLHrExramdU"]);
    }
}
