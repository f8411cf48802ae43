//! The two stores for the tests of the service.

use std::sync::Arc;

use device_key_relying_party::{PostgresRegistry, Registry, SqliteRegistry};
use device_key_testing::Postgres;
use tempfile::TempDir;

/// A store that several servers can share.
pub(crate) enum Store {
    Sqlite(TempDir),
    Postgres(String),
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(tokio::task::spawn_blocking(|| Postgres::shared().database()).await.unwrap())
    }

    /// Opens the store as another process would.
    pub(crate) async fn open(&self) -> Arc<dyn Registry> {
        match self {
            Self::Sqlite(folder) => {
                Arc::new(SqliteRegistry::open(&folder.path().join("registry")).unwrap())
            }
            Self::Postgres(config) => {
                Arc::new(PostgresRegistry::open(config.parse().unwrap()).await.unwrap())
            }
        }
    }
}

/// Turns each of these functions into two tests, one for each store.
macro_rules! on_both_stores {
    ($($test:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::store::Store::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::store::Store::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both_stores;
