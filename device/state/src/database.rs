//! Checks and opens the database file, and brings it to the current schema.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use device_key_private_fs::{PrivateDir, PrivateFsError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::DatabaseError;
use crate::leases;
use crate::migrations::{Mark, Schema, mark, migrate, schema, set_mark};
use crate::names::{
    DATABASE, PREPARING, ROLLBACK_JOURNAL, WRITE_AHEAD_INDEX, WRITE_AHEAD_LOG, file_name,
};
use crate::placement::Placement;
use crate::sys;

/// How long to wait before checking again whether another process has finished.
const POLL: Duration = Duration::from_millis(2);

/// The settings of both connections. `cell_size_check` finds a damaged page when the page is read,
/// not later. The size of the cache is in KiB. It is an upper bound, because pages that were never
/// read take no memory. A cache of this size holds all but the lowest two levels of a tree of a
/// million rows. A look-up in this tree took 2.1 times as long as a look-up among one row, and 2.4
/// times as long with a quarter of the cache.
const FOR_BOTH: &str = "PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096;";
/// `SQLite`'s own module for files on Unix.
const FILE_SYSTEM: &CStr = c"unix";

const FOR_READING: &str = "PRAGMA query_only = ON;";
const FOR_WRITING: &str = "PRAGMA synchronous = FULL;";

/// The path of the database, and the files and folders that must stay where they were when they
/// were opened.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    in_use: Vec<Placement>,
    busy_timeout: Duration,
}

/// The result of opening: two reading connections and, if opening needed it, the writing
/// connection.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) reader: Connection,
    /// Reads like `reader`, but fails where `reader` waits.
    pub(crate) impatient: Connection,
    pub(crate) writer: Option<Connection>,
}

pub(crate) fn path(home: &PrivateDir) -> PathBuf {
    home.path().join(DATABASE)
}

/// Opens the database, and creates or migrates it if it is not of the current schema.
pub(crate) fn open(home: &PrivateDir, busy_timeout: Duration) -> Result<Opened, DatabaseError> {
    // The files are created or checked before SQLite opens them. SQLite would create the database
    // with another mode, and would give the other files the mode and owner of the database.
    home.ensure_file(&file_name(DATABASE)?)?;
    let had_log = home.check_file_if_present(&file_name(WRITE_AHEAD_LOG)?)?;
    for sibling in [WRITE_AHEAD_INDEX, ROLLBACK_JOURNAL] {
        home.check_file_if_present(&file_name(sibling)?)?;
    }
    let path = path(home);
    let in_use = vec![Placement::of_file(path.clone())?];
    let mut database = Database { path, in_use, busy_timeout };

    let reader = database.connect(FOR_READING, FILE_SYSTEM)?;
    let found = mark(&reader).and_then(|mark| Ok((mark, schema(&reader)?)));
    let found = found.inspect_err(|error| {
        let keep =
            matches!(error, DatabaseError::TooNew { .. } | DatabaseError::ForeignApplication);
        if had_log && keep {
            // Closing this connection could move the log into the database, which is not ours.
            let _ = reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    })?;
    let prepared = found == (Mark::Present, Schema::Current) && journal_mode(&reader)? == "wal";
    let writer = if prepared { None } else { Some(database.prepare(home)?) };
    let impatient = database.connect(FOR_READING, sys::file_system_without_sleep())?;
    impatient.busy_timeout(Duration::ZERO)?;
    // A connection that has read keeps the log and its index open, so no other process removes
    // these files when it closes the database.
    schema(&reader)?;
    for name in [WRITE_AHEAD_LOG, WRITE_AHEAD_INDEX] {
        database.in_use.push(Placement::of_file(home.path().join(name))?);
    }
    Ok(Opened { database, reader, impatient, writer })
}

impl Database {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a writing connection.
    pub(crate) fn writer(&self) -> Result<Connection, DatabaseError> {
        self.check_in_place()?;
        let mut writer = self.connect(FOR_WRITING, FILE_SYSTEM)?;
        writer.set_transaction_behavior(TransactionBehavior::Immediate);
        // SQLite opens the path again, so the path must still lead to the file that is being read.
        self.check_in_place()?;
        Ok(writer)
    }

    /// Fails if the database, its log, or a folder that is watched was replaced or removed.
    pub(crate) fn check_in_place(&self) -> Result<(), DatabaseError> {
        self.in_use.iter().try_for_each(Placement::check)
    }

    /// Also watches this folder.
    pub(crate) fn watch(&mut self, folder: &PrivateDir) -> io::Result<()> {
        self.in_use.push(Placement::of_folder(folder)?);
        Ok(())
    }

    fn connect(&self, pragmas: &str, file_system: &CStr) -> Result<Connection, DatabaseError> {
        // CREATE is not set, because the file exists already with the right mode. SQLite's mutexes
        // are off, because each connection is behind a mutex of ours. NOFOLLOW refuses a link in
        // any component (sqlite3_open_v2). An absolute path never begins with `file:`, so SQLite
        // does not take it for a URI.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(&self.path, flags, file_system)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        connection.execute_batch(FOR_BOTH)?;
        connection.execute_batch(pragmas)?;
        Ok(connection)
    }

    /// Sets the journal mode and migrates the database, in one process at a time.
    ///
    /// Two processes must not change the journal mode or migrate at the same time. The process that
    /// holds the lease prepares the database, and the other processes check the database again
    /// after it.
    fn prepare(&self, home: &PrivateDir) -> Result<Connection, DatabaseError> {
        let deadline = Instant::now() + self.busy_timeout;
        let lock = leases::folder(home)?;
        let name = file_name(PREPARING)?;
        let _turn = until(deadline, || match lock.lease(&name) {
            Err(PrivateFsError::Held { .. }) => Err(DatabaseError::BeingPrepared),
            other => Ok(other?),
        })?;
        until(deadline, || {
            let mut writer = self.writer()?;
            let (mark, schema) = (mark(&writer)?, schema(&writer)?);
            let mode: String =
                writer.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
            if mode != "wal" {
                return Err(DatabaseError::NoWriteAheadLog);
            }
            if schema == Schema::Older {
                migrate(&mut writer)?;
            }
            if mark == Mark::Missing {
                set_mark(&writer)?;
            }
            Ok(writer)
        })
    }
}

/// Repeats the attempt until it succeeds or the time is over, because another process may block it.
fn until<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    loop {
        let error = match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let in_the_way = matches!(error, DatabaseError::BeingPrepared)
            || error.code() == Some(ErrorCode::DatabaseBusy);
        if !in_the_way || Instant::now() >= deadline {
            return Err(error);
        }
        thread::sleep(POLL);
    }
}

fn journal_mode(connection: &Connection) -> Result<String, DatabaseError> {
    Ok(connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?)
}

#[cfg(test)]
mod tests;
