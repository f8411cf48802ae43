//! The errors of the `PostgreSQL` store.

use deadpool_postgres::PoolError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

use crate::registry::error::RegistryError;

/// Why the server could not be used. The server's own messages are left out, because they quote
/// values of records.
#[derive(Debug, Error)]
pub(super) enum PostgresError {
    #[error("the server refused: SQLSTATE {}", .0.code())]
    Refused(SqlState),
    #[error("the connection failed")]
    Connection(#[source] tokio_postgres::Error),
    #[error("no connection became available in time")]
    NoConnection,
    #[error("the schema belongs to another program")]
    Foreign,
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::Refused(code.clone()),
            None => Self::Connection(error),
        }
    }
}

impl From<PoolError> for PostgresError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            _ => Self::NoConnection,
        }
    }
}

impl From<PostgresError> for RegistryError {
    fn from(error: PostgresError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<tokio_postgres::Error> for RegistryError {
    fn from(error: tokio_postgres::Error) -> Self {
        PostgresError::from(error).into()
    }
}
