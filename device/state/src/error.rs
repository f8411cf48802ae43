//! Why the state could not be opened, read or written.

use std::path::PathBuf;

use device_key::BindingStoreError;
use device_key_private_fs::PrivateFsError;
use rusqlite::{ErrorCode, ffi};
use thiserror::Error;

/// Why the state could not be opened.
///
/// The text carries paths: it is for the log and for the person who runs the service, never for a
/// client. Programs match [`kind`](Self::kind).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder or a file in it is not private, or cannot be used. The source says which, and
    /// what was expected.
    #[error("the state folder cannot be used")]
    Folder(#[source] PrivateFsError),
    /// A newer version has written the database, which was left as it is.
    #[error("{} has schema version {found}, this program knows {known}", path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// The database cannot be used now: locked by another process, not writable, disk full.
    #[error("{} cannot be used now", path.display())]
    Unavailable {
        /// The database.
        path: PathBuf,
        /// What happened.
        source: DatabaseError,
    },
    /// The file is not a database, not one of our databases, or has damaged pages.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        source: DatabaseError,
    },
}

/// What kind of failure a [`StateError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// Correct the folder or the file that the source names, then start again.
    Folder,
    /// Install the newer version again.
    TooNew,
    /// Find out who holds the database or what fills the disk, then start again.
    Unavailable,
    /// Restore the database from a copy, or remove it and enroll anew.
    Damaged,
}

impl StateErrorKind {
    /// A stable code for this kind of failure.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "state_folder",
            Self::TooNew => "state_too_new",
            Self::Unavailable => "state_unavailable",
            Self::Damaged => "state_damaged",
        }
    }
}

impl StateError {
    /// What kind of failure it is; stable, unlike the text.
    pub const fn kind(&self) -> StateErrorKind {
        match self {
            Self::Folder(_) => StateErrorKind::Folder,
            Self::TooNew { .. } => StateErrorKind::TooNew,
            Self::Unavailable { .. } => StateErrorKind::Unavailable,
            Self::Damaged { .. } => StateErrorKind::Damaged,
        }
    }

    pub(crate) fn at(path: PathBuf) -> impl FnOnce(DatabaseError) -> Self {
        move |source| match source {
            DatabaseError::Folder(source) => Self::Folder(source),
            DatabaseError::TooNew { found, known } => Self::TooNew { path, found, known },
            source if source.is_damage() => Self::Damaged { path, source },
            source => Self::Unavailable { path, source },
        }
    }
}

/// What went wrong with the database; the source of [`StateError`] and of
/// [`BindingStoreError`]. It never holds the contents of a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// `SQLite` refused.
    #[error("{}", message.clone().unwrap_or_else(|| failure.to_string()))]
    Sqlite {
        /// Its result code.
        failure: ffi::Error,
        /// Its words for it, which name tables and constraints.
        message: Option<String>,
    },
    /// A private folder or file beside the database cannot be used.
    #[error(transparent)]
    Folder(#[from] PrivateFsError),
    /// A newer version has migrated the database.
    #[error("schema version {found} is newer than {known}")]
    TooNew {
        /// The schema version of the database.
        found: u32,
        /// The newest schema version of this program.
        known: u32,
    },
    /// A record does not parse.
    #[error("column {column} of a record does not parse")]
    Record {
        /// The column, as in the schema.
        column: &'static str,
    },
    /// The file's schema version is not one that this software writes.
    #[error("the schema version is not one of ours")]
    ForeignVersion,
    /// The file system cannot hold a write-ahead log.
    #[error("the file system does not support a write-ahead log")]
    NoWriteAheadLog,
    /// Another process is still preparing the database.
    #[error("another process is preparing the database")]
    BeingPrepared,
    /// The database file was exchanged while it was in use.
    #[error("the database file was replaced while in use")]
    Replaced,
    /// The operating system gave no random bytes for the name of a lease.
    #[error("no random bytes")]
    NoRandom(#[source] getrandom::Error),
    /// `SQLite` answered with something that was not asked for.
    #[error("unexpected answer of the database library")]
    Unexpected,
}

impl DatabaseError {
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite { failure, .. } => Some(failure.code),
            _ => None,
        }
    }

    fn is_damage(&self) -> bool {
        match self {
            Self::Record { .. } | Self::ForeignVersion => true,
            // SQLITE_ERROR: a table or column that the schema version promises is not there.
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
            // Their texts hold values of records.
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
            error if error.is_conflict() => Self::Conflict,
            error if error.is_damage() => Self::Damaged(error.into()),
            error => Self::Unavailable(error.into()),
        }
    }
}
