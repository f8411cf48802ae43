//! Why the state could not be opened, read or written.

use std::path::PathBuf;

use device_key::BindingStoreError;
use device_key_private_fs::PrivateFsError;
use rusqlite::{ErrorCode, ffi};
use thiserror::Error;

/// Why the state could not be opened.
///
/// The text contains paths. It is meant for the log and for the operator of the service, never for
/// a client. Programs match [`kind`](Self::kind).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder or a file in it is not private, or cannot be used. The source says which, and
    /// what was expected.
    #[error("the state folder cannot be used")]
    Folder(#[source] PrivateFsError),
    /// A newer version has written the database. The database was not changed.
    #[error("{} has schema version {found}, but this program knows {known}", path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// The file is a database of other software. It was not changed.
    #[error("{} is a database of other software", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The database cannot be used now: locked by another process, not writable, disk full.
    #[error("{} cannot be used at the moment", path.display())]
    Unavailable {
        /// The database.
        path: PathBuf,
        /// What happened.
        source: DatabaseError,
    },
    /// The file is not a database, or has damaged pages.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        source: DatabaseError,
    },
}

/// The kind of a [`StateError`]. Each kind says what the operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// Correct the folder or the file that the source names, then start again.
    Folder,
    /// Install the newer version again.
    TooNew,
    /// Move the other software's database away, or name another folder.
    Foreign,
    /// Find the process that locks the database, or free space on the disk, then start again.
    Unavailable,
    /// Restore the database from a copy, or remove the database and enroll again.
    Damaged,
}

impl StateErrorKind {
    /// A stable code for this kind of failure.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "state_folder",
            Self::TooNew => "state_too_new",
            Self::Foreign => "state_foreign",
            Self::Unavailable => "state_unavailable",
            Self::Damaged => "state_damaged",
        }
    }
}

impl StateError {
    /// The kind of the failure. The kind is stable, but the text is not.
    pub const fn kind(&self) -> StateErrorKind {
        match self {
            Self::Folder(_) => StateErrorKind::Folder,
            Self::TooNew { .. } => StateErrorKind::TooNew,
            Self::Foreign { .. } => StateErrorKind::Foreign,
            Self::Unavailable { .. } => StateErrorKind::Unavailable,
            Self::Damaged { .. } => StateErrorKind::Damaged,
        }
    }

    pub(crate) fn at(path: PathBuf) -> impl FnOnce(DatabaseError) -> Self {
        move |source| match source {
            DatabaseError::Folder(source) => Self::Folder(source),
            DatabaseError::TooNew { found, known } => Self::TooNew { path, found, known },
            DatabaseError::ForeignApplication => Self::Foreign { path },
            source if source.is_damage() => Self::Damaged { path, source },
            source => Self::Unavailable { path, source },
        }
    }
}

/// What went wrong with the database. This is the source of [`StateError`] and of
/// [`BindingStoreError`]. It never contains the contents of a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// `SQLite` reported an error.
    #[error("{}", message.clone().unwrap_or_else(|| failure.to_string()))]
    Sqlite {
        /// The result code of `SQLite`.
        failure: ffi::Error,
        /// The text of `SQLite`, which names tables and constraints.
        message: Option<String>,
    },
    /// A private folder or file next to the database cannot be used.
    #[error(transparent)]
    Folder(#[from] PrivateFsError),
    /// A newer version has migrated the database.
    #[error("the schema version {found} is newer than {known}, the newest that this program knows")]
    TooNew {
        /// The schema version of the database.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// A record does not parse.
    #[error("the column {column} of a record has an invalid value")]
    Record {
        /// The name of the column in the schema.
        column: &'static str,
    },
    /// This software does not write files of this schema version.
    #[error("the schema version was not written by this software")]
    ForeignVersion,
    /// The database has other software's mark, or tables that are not ours.
    #[error("the database is other software's")]
    ForeignApplication,
    /// The file system cannot hold a write-ahead log.
    #[error("the file system does not support a write-ahead log")]
    NoWriteAheadLog,
    /// Another process is still preparing the database.
    #[error("another process is preparing the database")]
    BeingPrepared,
    /// A file or folder was replaced or removed while it was in use. What this process writes now
    /// would be lost.
    #[error("{} was replaced or removed while it was in use", path.display())]
    Replaced {
        /// The file or folder.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandom(#[source] getrandom::Error),
    /// `SQLite` gave an answer that does not fit the query.
    #[error("the database library gave an unexpected answer")]
    Unexpected,
}

impl DatabaseError {
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite { failure, .. } => Some(failure.code),
            _ => None,
        }
    }

    /// Whether the disk, or the user's share of the disk, is full. `SQLite` knows only `ENOSPC` by
    /// name.
    pub(crate) fn is_lack_of_space(&self) -> bool {
        let Self::Sqlite { failure, .. } = self else { return false };
        let unwritten = [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
        unwritten.contains(&failure.extended_code)
    }

    fn is_damage(&self) -> bool {
        match self {
            Self::Record { .. } | Self::ForeignVersion => true,
            // SQLITE_ERROR means that a table or column of this schema version is missing.
            Self::Sqlite { failure, .. } => matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
            ),
            _ => false,
        }
    }

    fn is_conflict(&self) -> bool {
        let Self::Sqlite { failure, .. } = self else { return false };
        let unique = [ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CONSTRAINT_UNIQUE];
        unique.contains(&failure.extended_code)
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, message) => Self::Sqlite { failure, message },
            rusqlite::Error::SqlInputError { error: failure, msg, .. } => {
                Self::Sqlite { failure, message: Some(msg) }
            }
            // The texts of these errors contain values of records, so they are left out.
            _ => Self::Unexpected,
        }
    }
}

impl From<rusqlite_migration::Error> for DatabaseError {
    fn from(error: rusqlite_migration::Error) -> Self {
        match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
            _ => Self::ForeignVersion,
        }
    }
}

impl From<DatabaseError> for BindingStoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::TooNew { .. } => Self::TooNew,
            DatabaseError::Replaced { .. } => Self::Replaced(error.into()),
            error if error.is_conflict() => Self::Conflict,
            error if error.is_damage() => Self::Damaged(error.into()),
            error => Self::Unavailable(error.into()),
        }
    }
}
