//! The migrations of the schema. Each migration is a file that never changes after its release.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::error::DatabaseError;

const BINDINGS: &str = include_str!("../migrations/0001_device_key_bindings.sql");
const INDEXES_OF_LISTS: &str = include_str!("../migrations/0002_indexes_of_lists.sql");

const STEPS: &[M<'_>] = &[M::up(BINDINGS), M::up(INDEXES_OF_LISTS)];
const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// The schema version after the last migration.
pub(crate) const KNOWN: u32 = 2;

/// How the version of a database compares with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    Current,
    Older,
}

/// The `application_id` of our databases: "dkey" in ASCII (sqlite.org, "Database File Format",
/// section 1.3.17).
const APPLICATION_ID: i64 = 0x646b_6579;

/// Whether a database says that it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Present,
    /// The database is empty, or an early version of this software has written it.
    Missing,
}

/// Looks for the mark. Fails if the database is other software's, which must not be changed.
pub(crate) fn mark(connection: &Connection) -> Result<Mark, DatabaseError> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id == APPLICATION_ID {
        return Ok(Mark::Present);
    }
    let without_mark = "SELECT count(*) = 0 OR count(*) FILTER (WHERE type = 'table' \
        AND name = 'device_key_bindings') = 1 FROM sqlite_schema";
    if id == 0 && connection.query_row(without_mark, (), |row| row.get(0))? {
        Ok(Mark::Missing)
    } else {
        Err(DatabaseError::ForeignApplication)
    }
}

/// Marks a database as ours.
pub(crate) fn set_mark(connection: &Connection) -> Result<(), DatabaseError> {
    Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?)
}

/// Writes the version of a current database again, which changes nothing that anybody reads.
pub(crate) fn rewrite_version(transaction: &Connection) -> Result<(), DatabaseError> {
    Ok(transaction.pragma_update(None, "user_version", KNOWN)?)
}

/// Compares the database's version with ours. This reads one page and takes no lock for writing.
pub(crate) fn schema(connection: &Connection) -> Result<Schema, DatabaseError> {
    let found: i64 = connection
        .prepare_cached("PRAGMA user_version")
        .and_then(|mut version| version.query_row((), |row| row.get(0)))?;
    let found = u32::try_from(found).map_err(|_| DatabaseError::ForeignVersion)?;
    match found {
        0..KNOWN => Ok(Schema::Older),
        KNOWN => Ok(Schema::Current),
        _ => Err(DatabaseError::TooNew { found, known: KNOWN }),
    }
}

/// Brings the database to our version in one transaction.
///
/// The version is read before the transaction begins, so two processes must not migrate at the same
/// time.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), DatabaseError> {
    Ok(MIGRATIONS.to_latest(connection)?)
}

#[cfg(test)]
mod tests {
    use device_key_types::Sha256Digest;

    use super::*;

    /// Databases in the field were made by exactly these migrations. Add migrations, but never
    /// change one.
    #[test]
    fn released_migrations_do_not_change() {
        let digest = |step: &str| {
            let digest = Sha256Digest::of(step.as_bytes());
            digest.as_bytes().map(|byte| format!("{byte:02x}")).concat()
        };
        let landed = [
            "e0578025317971d6dcc25daeeb4b8a7f134fd1abf93a4466ddeb68b5291ee1df",
            "fa75b59213c36d6dc1ce0a0cdb8bcaafde0ed336f0ce118d4fac9fd11e0ba27e",
        ];
        assert_eq!([BINDINGS, INDEXES_OF_LISTS].map(digest), landed);
        assert_eq!(STEPS, [BINDINGS, INDEXES_OF_LISTS].map(M::up));
    }

    #[test]
    fn the_version_equals_the_number_of_migrations() {
        assert_eq!(u32::try_from(STEPS.len()), Ok(KNOWN));
        MIGRATIONS.validate().unwrap();
    }
}
