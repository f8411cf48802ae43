//! Tests of the store in `SQLite`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use device_key_relying_party::{Registry, SqliteRegistry};
use tempfile::TempDir;

use crate::conformance::{Place, suite};
use crate::samples::{MANY, device, key_id};

struct File(TempDir);

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("registry.sqlite")
    }
}

#[async_trait]
impl Place for File {
    async fn open(&self) -> Arc<dyn Registry> {
        Arc::new(SqliteRegistry::open(&self.path()).unwrap())
    }
}

async fn file() -> File {
    File(tempfile::tempdir().unwrap())
}

suite!(file);

#[tokio::test]
async fn only_the_owner_can_read_and_write_the_files() {
    let file = file().await;
    let registry = file.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    let entries: Vec<_> = std::fs::read_dir(file.0.path()).unwrap().map(Result::unwrap).collect();
    assert!(entries.len() >= 2, "the log at least");
    for entry in entries {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn many_processes_prepare_a_new_file_at_once() {
    let file = file().await;
    let path = &file.path();
    thread::scope(|scope| {
        let openers: Vec<_> =
            (0..8).map(|_| scope.spawn(move || SqliteRegistry::open(path).map(drop))).collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    });
    assert_eq!(file.open().await.device(&key_id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_newer_file_and_a_foreign_file_are_refused() {
    let file = file().await;
    drop(file.open().await);
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    let open_with = |version: i64| {
        connection.pragma_update(None, "user_version", version).unwrap();
        SqliteRegistry::open(&file.path()).unwrap_err().reason()
    };
    assert_eq!(open_with(2), "registry_too_new");
    assert_eq!(open_with(-1), "registry_unavailable");
    let text = file.0.path().join("text");
    std::fs::write(&text, "no database, whatever its name may be").unwrap();
    assert_eq!(SqliteRegistry::open(&text).unwrap_err().reason(), "registry_unavailable");
}

#[tokio::test]
async fn a_file_that_was_migrated_while_it_was_open_is_left_alone() {
    let file = file().await;
    let registry = file.open().await;
    registry.ready().await.unwrap();
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let refused = registry.enroll_device(&device(1, "a"), MANY).await.unwrap_err();
    assert_eq!(refused.reason(), "registry_too_new");
    assert_eq!(registry.ready().await.unwrap_err().reason(), "registry_too_new");
}

#[tokio::test]
async fn an_error_names_a_damaged_record_and_hides_its_values() {
    let file = file().await;
    let registry = file.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    connection.execute("UPDATE devices SET verified_kind = 'of another kind'", ()).unwrap();
    let refused = registry.device(&key_id(1)).await.unwrap_err();
    assert_eq!(refused.reason(), "registry_damaged");
    assert!(!format!("{refused:?} {refused}").contains("another kind"));
}
