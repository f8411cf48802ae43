//! The errors of the `SQLite` store.

use std::io;

use rusqlite::{ErrorCode, ffi};
use thiserror::Error;

use crate::registry::error::RegistryError;

/// Why the file could not be used. The error can be cloned, because a failed transaction fails all
/// jobs in it.
#[derive(Clone, Debug, Error)]
pub(super) enum SqliteError {
    #[error("{}", message.clone().unwrap_or_else(|| failure.to_string()))]
    Sqlite { failure: ffi::Error, message: Option<String> },
    /// An error of `rusqlite` itself. Its message is left out, because it may quote a record.
    #[error("unexpected answer of the database library")]
    Unexpected,
    #[error("cannot create the database file or its thread: {0}")]
    File(io::ErrorKind),
    #[error("the file system does not support a write-ahead log")]
    NoWriteAheadLog,
    #[error("the database belongs to another program")]
    Foreign,
    #[error("schema version {found} is newer than {known}")]
    TooNew { found: u32, known: u32 },
    /// The thread has ended, or a panic ended the transaction.
    #[error("the work was not done")]
    Stopped,
}

impl SqliteError {
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite { failure, .. } if failure.code == ErrorCode::DatabaseBusy)
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, message) => Self::Sqlite { failure, message },
            rusqlite::Error::SqlInputError { error: failure, msg, .. } => {
                Self::Sqlite { failure, message: Some(msg) }
            }
            _ => Self::Unexpected,
        }
    }
}

impl From<SqliteError> for RegistryError {
    fn from(error: SqliteError) -> Self {
        match error {
            SqliteError::TooNew { found, known } => Self::TooNew { found, known },
            error => Self::Unavailable(error.into()),
        }
    }
}

impl From<rusqlite::Error> for RegistryError {
    fn from(error: rusqlite::Error) -> Self {
        SqliteError::from(error).into()
    }
}
