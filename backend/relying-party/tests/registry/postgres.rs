//! Tests of the store in `PostgreSQL`.

use std::sync::Arc;

use async_trait::async_trait;
use device_key_relying_party::{PostgresRegistry, Registry};
use device_key_testing::Postgres;
use device_key_types::ErrorChain;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::conformance::{Place, suite};
use crate::samples::{MANY, device, key_id};

struct Database(String);

impl Database {
    async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.0, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }

    async fn try_open(&self) -> Result<PostgresRegistry, &'static str> {
        let config = self.0.parse().unwrap();
        PostgresRegistry::open(config).await.map_err(|error| error.reason())
    }
}

#[async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Registry> {
        Arc::new(self.try_open().await.unwrap())
    }
}

async fn database() -> Database {
    Database(tokio::task::spawn_blocking(|| Postgres::shared().database()).await.unwrap())
}

suite!(database);

#[tokio::test]
async fn many_processes_prepare_a_new_database_at_once() {
    let database = Arc::new(database().await);
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let database = database.clone();
        opening.spawn(async move { database.try_open().await.map(drop) });
    }
    assert_eq!(opening.join_all().await, [Ok(()); 8]);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = database().await;
    drop(database.open().await);
    database.execute("UPDATE device_key_registry_schema SET version = 2").await;
    assert_eq!(database.try_open().await.unwrap_err(), "registry_too_new");
    database.execute("UPDATE device_key_registry_schema SET version = -1").await;
    assert_eq!(database.try_open().await.unwrap_err(), "registry_unavailable");
}

#[tokio::test]
async fn asynchronous_commits_are_switched_off() {
    let database = database().await;
    let name = database.0.rsplit('=').next().unwrap();
    database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let registry = database.open().await;
    // A trigger records the setting under which the enrollment was committed.
    database
        .execute(
            "CREATE TABLE noted (setting text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO noted SELECT current_setting('synchronous_commit');
                RETURN NEW; END $$;
             CREATE TRIGGER note AFTER INSERT ON devices EXECUTE FUNCTION note()",
        )
        .await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    database.execute("DO $$ BEGIN ASSERT (SELECT setting = 'on' FROM noted); END $$").await;
}

#[tokio::test]
async fn a_lost_connection_is_replaced() {
    let database = database().await;
    let registry = database.open().await;
    registry.ready().await.unwrap();
    database
        .execute(
            "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    // The pool may notice the loss only when it uses the connection.
    if let Err(lost) = registry.ready().await {
        assert_eq!(lost.reason(), "registry_unavailable");
    }
    registry.ready().await.unwrap();
}

#[tokio::test]
async fn an_error_names_a_damaged_record_and_hides_its_values() {
    let database = database().await;
    let registry = database.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    database.execute("UPDATE devices SET verified_kind = 'of another kind'").await;
    let refused = registry.device(&key_id(1)).await.unwrap_err();
    assert_eq!(refused.reason(), "registry_damaged");
    assert!(!format!("{refused:?} {refused}").contains("another kind"));
}

#[tokio::test]
async fn an_error_hides_the_values_that_the_server_quotes() {
    let database = database().await;
    let registry = database.open().await;
    database.execute("ALTER TABLE devices ADD CHECK (client_id = 'none')").await;
    let refused = registry.enroll_device(&device(7, "an account"), MANY).await.unwrap_err();
    assert_eq!(refused.reason(), "registry_unavailable");
    let told = format!("{} {refused:?}", ErrorChain(&refused));
    assert!(told.contains("23514"), "check_violation: {told}");
    assert!(!told.contains("an account"), "{told}");
}
