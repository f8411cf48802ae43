//! Creates and opens the database file, and migrates its schema.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, thread};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::SqliteError;

/// The versions of the schema. Each version is a file that never changes after its release.
pub(super) const STEPS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_registry.sql")];

/// How long to wait for another process that writes. Our transactions take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait between two attempts to enable the write-ahead log.
const POLL: Duration = Duration::from_millis(2);
/// The mode of the file: only its owner can read and write it. `SQLite` gives the files next to it
/// this mode too.
const MODE: u32 = 0o600;

const PRAGMAS: &str = "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;";

/// Creates an empty file if the file does not exist. An existing file is not opened, because
/// closing it would release the locks that another connection of this process holds (POSIX advisory
/// locks).
pub(super) fn create(path: &Path) -> Result<(), SqliteError> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(SqliteError::File(error.kind())),
    }
}

pub(super) fn connect(path: &Path) -> Result<Connection, SqliteError> {
    // CREATE is not needed, because the file was created with its mode. NO_MUTEX is safe, because
    // each connection belongs to one thread.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}

/// Enables the write-ahead log and migrates the schema. If several processes do this at a time, one
/// process does the work and the other processes wait.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), SqliteError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    // While another process enables the write-ahead log, SQLite fails at once instead of waiting.
    while let Err(error) = write_ahead(connection) {
        if !error.is_busy() || Instant::now() >= deadline {
            return Err(error);
        }
        thread::sleep(POLL);
    }
    migrate(connection, &STEPS)
}

fn write_ahead(connection: &Connection) -> Result<(), SqliteError> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(SqliteError::NoWriteAheadLog) }
}

/// Runs the steps that the database has not run yet. The transaction that changes the version also
/// reads it, so no step runs twice.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), SqliteError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = u32::try_from(steps.len()).map_err(|_| SqliteError::Foreign)?;
    let done = usize::try_from(version(&transaction, known)?).map_err(|_| SqliteError::Foreign)?;
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// Refuses a file whose schema is not current. A newer version of this program may have migrated
/// the file since we opened it.
pub(super) fn check(connection: &Connection) -> Result<(), SqliteError> {
    let known = u32::try_from(STEPS.len()).map_err(|_| SqliteError::Foreign)?;
    if version(connection, known)? == known { Ok(()) } else { Err(SqliteError::Foreign) }
}

/// Writes the version of a current file again, which changes nothing that anybody reads.
pub(super) fn rewrite_version(connection: &Connection) -> Result<(), SqliteError> {
    let known = u32::try_from(STEPS.len()).map_err(|_| SqliteError::Foreign)?;
    Ok(connection.pragma_update(None, "user_version", known)?)
}

fn version(connection: &Connection, known: u32) -> Result<u32, SqliteError> {
    let mut query = connection.prepare_cached("PRAGMA user_version")?;
    let found: i64 = query.query_row((), |row| row.get(0))?;
    let found = u32::try_from(found).map_err(|_| SqliteError::Foreign)?;
    if found > known { Err(SqliteError::TooNew { found, known }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use device_key_types::Sha256Digest;

    use super::*;

    /// Files of users have run exactly these bytes, so add a step instead of changing a step.
    #[test]
    fn released_steps_do_not_change() {
        let digests = STEPS.map(|step| Sha256Digest::of(step.as_bytes()).to_string());
        assert_eq!(digests, ["tCxL5e2Acy2UteKCzos9HJOoUkDLOUUmWlZjbYGqTWI"]);
    }

    #[test]
    fn a_step_runs_once_and_a_newer_schema_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a)"];
        migrate(&mut connection, &steps[..1]).unwrap();
        migrate(&mut connection, &steps).unwrap();
        migrate(&mut connection, &steps).unwrap();
        let refused = migrate(&mut connection, &steps[..1]).unwrap_err();
        assert!(matches!(refused, SqliteError::TooNew { found: 2, known: 1 }));
        assert!(matches!(check(&connection), Err(SqliteError::TooNew { .. })));
    }

    #[test]
    fn a_failed_step_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(migrate(&mut connection, &["CREATE TABLE one (a)", "no SQL"]).is_err());
        assert_eq!(version(&connection, 9).unwrap(), 0);
        migrate(&mut connection, &["CREATE TABLE one (a)"]).unwrap();
    }
}
