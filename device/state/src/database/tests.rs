//! Tests of opening, checking and migrating the database.

use std::fs::{self, Permissions, hard_link};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;
use std::thread;

use device_key::{DeviceKeyBindingStore, Page};

use super::*;
use crate::migrations::KNOWN;
use crate::sample::{self, OWNER, block_on, home, key_id, kind, modes, page, put, ready};
use crate::{StateError, StateErrorKind, StateRuntime, child};

fn refused(home: &PrivateDir) -> StateError {
    StateRuntime::open(home).expect_err("the state was opened")
}

#[test]
fn files_are_private_under_any_umask() {
    for umask in ["000", "022", "177"] {
        let (_scratch, home) = home();
        let test = "database::tests::child_begins_a_key";
        let (mut child, lease) = child::start(test, &home, umask);
        let private = |name: &str| (name.to_owned(), 0o600);
        let files = ["state.reserve", "state.sqlite", "state.sqlite-shm", "state.sqlite-wal"];
        let files = files.map(private);
        let mut expected = vec![("lock".to_owned(), 0o700)];
        expected.extend(files);
        assert_eq!(modes(home.path()), expected, "umask {umask}");
        assert_eq!(modes(&home.path().join("lock")), [private(&lease)], "umask {umask}");
        drop(child.stdin.take());
        assert!(device_key_testing::ended(&mut child).success());
        assert!(modes(&home.path().join("lock")).is_empty());
    }
}

#[test]
#[ignore = "runs in a process of its own, because the umask is the process's"]
fn child_begins_a_key() {
    let Some(home) = child::home() else { return };
    let state = StateRuntime::open(&home).unwrap();
    block_on(state.begin(&sample::creating(1), 1000)).unwrap();
    child::ready(state.leases().taken().unwrap().as_str());
}

#[test]
fn a_database_that_is_not_private_is_refused_and_not_changed() {
    let (scratch, home) = home();
    drop(StateRuntime::open(&home).unwrap());
    let (database, elsewhere) = (sample::database(&home), scratch.path().join("elsewhere"));
    let bytes = fs::read(&database).unwrap();

    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let error = refused(&home);
    assert!(matches!(&error, StateError::Folder(PrivateFsError::WrongMode { .. })), "{error:?}");
    assert_eq!(error.kind().as_str(), "state_folder");
    fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();

    hard_link(&database, &elsewhere).unwrap();
    assert!(matches!(refused(&home), StateError::Folder(PrivateFsError::Linked { .. })));

    fs::remove_file(&database).unwrap();
    symlink(&elsewhere, &database).unwrap();
    assert!(matches!(refused(&home), StateError::Folder(PrivateFsError::SymbolicLink { .. })));
    assert_eq!(fs::read(&elsewhere).unwrap(), bytes);
    assert_eq!(modes(home.path()).len(), 3, "neither the log nor its index was created");
}

#[test]
fn a_sibling_that_is_not_private_is_refused() {
    for name in ["state.sqlite-wal", "state.sqlite-shm", "state.sqlite-journal"] {
        let (scratch, home) = home();
        let elsewhere = scratch.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        symlink(&elsewhere, home.path().join(name)).unwrap();
        let error = refused(&home);
        assert!(matches!(error, StateError::Folder(PrivateFsError::SymbolicLink { .. })), "{name}");
        assert_eq!(fs::read(&elsewhere).unwrap(), b"untouched");
    }
}

#[test]
fn a_newer_database_is_refused_and_not_changed() {
    let (_scratch, home) = home();
    drop(StateRuntime::open(&home).unwrap());
    let newer = sample::raw(&home);
    newer.pragma_update(None, "user_version", KNOWN + 1).unwrap();
    let log = home.path().join(WRITE_AHEAD_LOG);
    let bytes = || (fs::read(sample::database(&home)).unwrap(), fs::read(&log).ok());
    // First the newer version is running, and its change is still in the log. Then it was killed,
    // so this process would be the last to close the log. Then it ended properly and left no log.
    let before = bytes();
    assert!(before.1.as_ref().is_some_and(|log| !log.is_empty()));
    let error = refused(&home);
    let StateError::TooNew { found, known, .. } = error else { panic!("{error:?}") };
    assert_eq!((found, known), (KNOWN + 1, KNOWN));
    assert_eq!(bytes(), before);

    newer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    drop(newer);
    assert_eq!(bytes(), before);
    assert_eq!(refused(&home).kind(), StateErrorKind::TooNew);
    assert_eq!(bytes(), before);

    drop(sample::raw(&home).query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(())));
    let before = bytes();
    assert_eq!(before.1, None);
    assert_eq!(refused(&home).kind(), StateErrorKind::TooNew);
    assert_eq!(bytes(), before);
}

#[test]
fn a_database_of_an_older_version_is_migrated_with_its_keys() {
    let (_scratch, home) = home();
    put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
    let older = sample::raw(&home);
    older
        .execute_batch(
            "DROP INDEX device_key_bindings_of_account; DROP INDEX device_key_bindings_of_client; \
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(older);
    let state = StateRuntime::open(&home).unwrap();
    let of_account =
        Page { account_user_id: Some(ready(1).binding.account_user_id), ..page(None, 10) };
    assert_eq!(state.list_bindings(OWNER, &of_account).unwrap().keys, [ready(1)]);
    assert_eq!(state.read(schema).unwrap(), Schema::Current);
}

#[test]
fn a_file_that_is_not_our_database_is_reported_as_damaged() {
    let (_scratch, home) = home();
    let path = sample::database(&home);
    fs::write(&path, "not a database, but long enough for one header: ".repeat(100)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(refused(&home).kind(), StateErrorKind::Damaged);
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::write(&path, "").unwrap();
    sample::raw(&home).pragma_update(None, "user_version", -1).unwrap();
    assert_eq!(refused(&home).kind(), StateErrorKind::Damaged);

    // The schema version promises a table that does not exist.
    sample::raw(&home).pragma_update(None, "user_version", KNOWN).unwrap();
    let state = StateRuntime::open(&home).unwrap();
    assert_eq!(kind(state.get_binding(&key_id(1), OWNER)), "damaged");
}

fn application_id(home: &PrivateDir) -> i64 {
    let value = |row: &rusqlite::Row<'_>| row.get(0);
    sample::raw(home).pragma_query_value(None, "application_id", value).unwrap()
}

#[test]
fn a_database_of_other_software_is_refused_and_not_changed() {
    for foreign in [
        "CREATE TABLE theirs (a)",
        "CREATE TABLE theirs (a); PRAGMA user_version = 1",
        "CREATE TABLE theirs (a); PRAGMA user_version = 99",
        "PRAGMA application_id = 1",
        "CREATE TABLE device_key_bindings (a); PRAGMA application_id = 1",
    ] {
        let (_scratch, home) = home();
        home.ensure_file(&file_name(DATABASE).unwrap()).unwrap();
        sample::raw(&home).execute_batch(foreign).unwrap();
        let before = fs::read(sample::database(&home)).unwrap();
        assert_eq!(refused(&home).kind(), StateErrorKind::Foreign, "{foreign}");
        assert_eq!(fs::read(sample::database(&home)).unwrap(), before, "{foreign}");
    }
}

#[test]
fn a_database_of_ours_without_a_mark_gets_one() {
    let (_scratch, home) = home();
    put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
    let ours = application_id(&home);
    assert_eq!(ours.to_be_bytes()[4..], *b"dkey");
    sample::raw(&home).pragma_update(None, "application_id", 0).unwrap();
    let state = StateRuntime::open(&home).unwrap();
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    assert_eq!(application_id(&home), ours);
}

#[test]
fn a_changed_journal_mode_is_set_back_to_wal() {
    let (_scratch, home) = home();
    put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
    sample::raw(&home).pragma_update(None, "journal_mode", "delete").unwrap();
    let state = StateRuntime::open(&home).unwrap();
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    assert_eq!(state.read(journal_mode).unwrap(), "wal");
}

#[test]
fn many_threads_can_open_a_new_home_at_once() {
    for _ in 0..10 {
        let (_scratch, home) = home();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (home, barrier) = (&home, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    put(&StateRuntime::open(home).unwrap(), &ready(number)).unwrap();
                });
            }
        });
        let state = StateRuntime::open(&home).unwrap();
        assert_eq!(state.list_bindings(OWNER, &page(None, 10)).unwrap().keys.len(), 8);
        assert!(modes(&home.path().join("lock")).is_empty());
    }
}

#[test]
fn many_processes_can_open_a_new_home_at_once() {
    let (_scratch, home) = home();
    let test = "database::tests::child_begins_another_key";
    thread::scope(|scope| {
        let children = [(); 4].map(|()| scope.spawn(|| child::start(test, &home, "077").0));
        for child in children {
            let mut child = child.join().unwrap();
            drop(child.stdin.take());
            assert!(device_key_testing::ended(&mut child).success());
        }
    });
    assert_eq!(StateRuntime::open(&home).unwrap().count_by_phase().unwrap().ready, 4);
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_begins_another_key() {
    let Some(home) = child::home() else { return };
    let state = StateRuntime::open(&home).unwrap();
    let mut key = ready(0);
    let mut random = [0; 32];
    getrandom::fill(&mut random).unwrap();
    key.key_id = device_key_types::DeviceKeyId::from_random_bytes(random);
    put(&state, &key).unwrap();
    child::ready("");
}

/// SQLite removes its log when the last process closes the database, and the next process creates
/// the log anew.
#[test]
fn processes_that_end_make_no_other_process_fail_to_start() {
    let (_scratch, home) = home();
    put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
    let test = "database::tests::child_opens_and_closes";
    thread::scope(|scope| {
        let children = [(); 2].map(|()| scope.spawn(|| child::start(test, &home, "077")));
        for child in children {
            let (mut child, said) = child.join().unwrap();
            assert_eq!(said, "ok");
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
    });
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_opens_and_closes() {
    let Some(home) = child::home() else { return };
    let opened = (0..1000).try_for_each(|_| {
        let state = StateRuntime::open(&home).map_err(|error| format!("{error:?}"))?;
        let found = state.get_binding(&key_id(1), OWNER).map_err(|error| format!("{error:?}"))?;
        if found == Some(ready(1)) { Ok(()) } else { Err("another binding".to_owned()) }
    });
    child::ready(&opened.err().unwrap_or_else(|| "ok".to_owned()));
}

#[test]
fn a_writer_in_another_process_delays_only_writes() {
    let (_scratch, home) = home();
    put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
    let test = "database::tests::child_holds_the_write_lock";
    let (mut child, _) = child::start(test, &home, "077");

    // The timeout is zero, so an operation that waits fails.
    let state = sample::impatient(&home);
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    assert!(block_on(state.abandoned(&|_| true)).unwrap().is_empty());
    assert_eq!(kind(block_on(state.begin(&sample::creating(2), 1000))), "unavailable");
    assert_eq!(kind(put(&state, &ready(3))), "unavailable");

    drop(child.stdin.take());
    assert!(device_key_testing::ended(&mut child).success());
    block_on(state.begin(&sample::creating(2), 1000)).unwrap();
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_holds_the_write_lock() {
    let Some(home) = child::home() else { return };
    let other = sample::raw(&home);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    child::ready("");
}

/// Puts a copy in the place of a file, or nothing.
fn replace(path: &Path, with_copy: bool) {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    if with_copy && aside.is_dir() {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    } else if with_copy {
        fs::copy(&aside, path).unwrap();
    }
}

#[test]
fn nothing_is_written_once_a_file_was_replaced_or_removed() {
    for name in ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "keys", "."] {
        for with_copy in [true, false] {
            for has_written in [true, false] {
                let (_scratch, home) = home();
                put(&StateRuntime::open(&home).unwrap(), &ready(1)).unwrap();
                let keys = home.subdir(&file_name("keys").unwrap()).unwrap();
                let mut state = StateRuntime::open(&home).unwrap();
                state.watch(&keys).unwrap();
                if has_written {
                    put(&state, &ready(2)).unwrap();
                }
                let path = if name == "." { home.path().into() } else { home.path().join(name) };
                replace(&path, with_copy);
                let found =
                    || (fs::read(&path).ok(), fs::read_dir(&path).ok().map(Iterator::count));
                let before = found();
                let case = format!("{name}, copy: {with_copy}, has written: {has_written}");
                assert_eq!(kind(put(&state, &ready(3))), "replaced", "{case}");
                let (id, now) = (key_id(1), ready(1).updated_at);
                let hidden = block_on(state.begin_deletion(&id, OWNER, now));
                assert_eq!(kind(hidden), "replaced", "{case}");
                assert_eq!(kind(block_on(state.remove(&id))), "replaced", "{case}");
                assert!(found() == before, "{case}");
                assert!(state.get_binding(&id, OWNER).unwrap().is_some(), "{case}");
            }
        }
    }
}
