//! [`StateRuntime`]: the open database.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use device_key_private_fs::{Operation, PrivateDir, PrivateFsError};
use rusqlite::{Connection, Transaction};
use tracing::warn;

use crate::database::{self, Database, Opened};
use crate::error::{DatabaseError, StateError};
use crate::leases::Leases;
use crate::migrations::{Schema, schema};
use crate::reserve;

/// How long a write waits for another process that is writing. A write of this software takes
/// milliseconds, so a process that holds the lock for longer is other software. Reads do not wait
/// for writers.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of one home folder: which keys exist, and to which user, account and client each key
/// belongs.
///
/// One connection reads, one reads without waiting, and one writes, each behind a mutex. So no read
/// waits for a write and its `fsync`, and a look-up at once does not wait for a list either. The
/// writing connection is opened with the first write, so a process that only signs does not open
/// it. Several processes may open the same home.
pub struct StateRuntime {
    home: PrivateDir,
    database: Database,
    reader: Mutex<Connection>,
    impatient: Mutex<Connection>,
    writer: Mutex<Option<Connection>>,
    leases: Leases,
    /// Whether deletions were given the space that is kept for them, which is gone then.
    has_spent_reserve: AtomicBool,
}

impl StateRuntime {
    /// Opens `state.sqlite` in this folder, and creates or migrates the database if needed.
    ///
    /// An up-to-date database is opened without any lock that another process could hold.
    pub fn open(home: &PrivateDir) -> Result<Self, StateError> {
        Self::open_with_timeout(home, BUSY_TIMEOUT)
    }

    pub(crate) fn open_with_timeout(
        home: &PrivateDir,
        busy_timeout: Duration,
    ) -> Result<Self, StateError> {
        let opened = match database::open(home, busy_timeout) {
            // The log and its index are created at each start, and take space.
            Err(error) if error.is_lack_of_space() && reserve::release(home) => {
                database::open(home, busy_timeout)
            }
            opened => opened,
        };
        let Opened { database, reader, impatient, writer } =
            opened.map_err(StateError::at(database::path(home)))?;
        reserve::keep(home);
        Ok(Self {
            home: home.clone(),
            database,
            reader: Mutex::new(reader),
            impatient: Mutex::new(impatient),
            writer: Mutex::new(writer),
            leases: Leases::new(home.clone()),
            has_spent_reserve: AtomicBool::new(false),
        })
    }

    /// The path of the database, for messages.
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// Removes the lease files of processes that have ended. Recovery removes the lease files of
    /// the keys that it removes; this method also removes the lease files of processes that
    /// ended before they began a key.
    pub fn sweep_leases(&self) -> Result<(), StateError> {
        self.leases.sweep().map_err(StateError::Folder)
    }

    /// Also refuses writes when this folder is no longer at its path, because a key that is created
    /// there would be lost. The database and its log are always watched.
    pub fn watch(&mut self, folder: &PrivateDir) -> Result<(), StateError> {
        self.database.watch(folder).map_err(|source| {
            let path = folder.path().to_owned();
            StateError::Folder(PrivateFsError::Io { operation: Operation::Inspect, path, source })
        })
    }

    pub(crate) fn check_in_place(&self) -> Result<(), DatabaseError> {
        self.database.check_in_place()
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        work(&locked(&self.reader))
    }

    /// Reads without waiting for a thread, a process or a timer. The disk is asked only for a page
    /// that neither `SQLite` nor the kernel has in memory any more. `None` if something was in the
    /// way or the read failed; [`read`](Self::read) then tells which.
    pub(crate) fn read_at_once<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> Option<T> {
        let connection = match self.impatient.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        work(&connection).ok()
    }

    /// Does the work in one transaction, so that either all of its changes are stored or none. A
    /// success shows that the disk has room again for the space that deletions were given.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let done = self.with_writer(|connection| transact(&self.database, connection, work))?;
        if self.has_spent_reserve.swap(false, Ordering::Relaxed) {
            reserve::keep(&self.home);
        }
        Ok(done)
    }

    /// Does the work of a deletion in one transaction. On a full disk it gets the space that is
    /// reserved for it, and the log is emptied into the database, so that its space is used again.
    pub(crate) fn write_to_delete<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let write = || self.with_writer(|connection| transact(&self.database, connection, &work));
        match write() {
            Err(error) if error.is_lack_of_space() => {
                reserve::release(&self.home);
                self.has_spent_reserve.store(true, Ordering::Relaxed);
                // Without this the deletion may still succeed, in the space that was released.
                if let Err(error) = self.with_writer(|connection| empty_log(connection)) {
                    warn!(%error, "the log of the database cannot be emptied");
                }
                write()
            }
            outcome => outcome,
        }
    }

    fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let mut slot = locked(&self.writer);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => self.database.writer()?,
        };
        let connection = slot.insert(connection);
        let outcome = work(connection);
        if !connection.is_autocommit() {
            // The transaction could not be rolled back. Closing the connection rolls it back.
            *slot = None;
        }
        outcome
    }
}

/// Locks a mutex, even if a thread panicked while it held the mutex. A panic leaves no partial
/// work, because unwinding resets statements and rolls transactions back.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves the log into the database. The next write then begins the log anew, unless another process
/// reads from it.
fn empty_log(connection: &Connection) -> Result<(), DatabaseError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(()))?)
}

fn transact<T>(
    database: &Database,
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let transaction = connection.transaction()?;
    database.check_in_place()?;
    // A newer version may have migrated the database since it was opened.
    if schema(&transaction)? != Schema::Current {
        return Err(DatabaseError::ForeignVersion);
    }
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

impl fmt::Debug for StateRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StateRuntime").field("path", &self.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
