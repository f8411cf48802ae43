//! Tests of transactions and of the two connections.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{panic, thread};

use device_key::DeviceKeyBindingStore;

use super::*;
use crate::sample::{OWNER, block_on, creating, home, impatient, key_id, kind, put, raw, ready};

fn insert_then<T>(state: &StateRuntime, then: impl FnOnce() -> Result<T, DatabaseError>) {
    let outcome = state.write(|transaction| {
        let broken = "INSERT INTO device_key_bindings SELECT * FROM device_key_bindings WHERE 0";
        transaction.execute(broken, ())?;
        transaction.execute("DELETE FROM device_key_bindings", ())?;
        then()
    });
    assert!(outcome.is_err());
}

#[test]
fn a_failed_transaction_changes_nothing_and_the_next_one_succeeds() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    insert_then(&state, || Err::<(), _>(DatabaseError::Unexpected));
    assert!(locked(&state.writer).as_ref().unwrap().is_autocommit());
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    put(&state, &ready(2)).unwrap();
}

#[test]
fn a_panic_in_a_transaction_changes_nothing_and_the_next_one_succeeds() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let work = || insert_then(&state, || -> Result<(), _> { panic::resume_unwind(Box::new(())) });
    thread::scope(|scope| assert!(scope.spawn(work).join().is_err()));
    assert!(state.writer.is_poisoned());
    assert!(locked(&state.writer).as_ref().unwrap().is_autocommit());
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    put(&state, &ready(2)).unwrap();
}

#[test]
fn a_connection_stuck_in_a_transaction_is_replaced() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    locked(&state.writer).as_ref().unwrap().execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(kind(put(&state, &ready(1))), "damaged");
    put(&state, &ready(1)).unwrap();
}

#[test]
fn a_database_that_a_newer_version_migrated_is_not_written() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    raw(&home).pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(kind(put(&state, &ready(2))), "too_new");
    assert_eq!(kind(state.delete_binding(&key_id(1))), "too_new");
}

#[test]
fn a_check_says_whether_a_key_could_be_recorded() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let log = home.path().join("state.sqlite-wal");
    let written = || std::fs::metadata(&log).unwrap().len();
    let before = written();
    block_on(state.check_write()).unwrap();
    assert!(written() > before, "the disk is asked");
    let other = raw(&home);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    block_on(state.check_write()).unwrap_err();
    other.execute_batch("ROLLBACK").unwrap();
    block_on(state.check_write()).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    block_on(state.check_write()).unwrap_err();
    assert_eq!(raw(&home).pragma_query_value(None, "user_version", |row| row.get(0)), Ok(99));
}

#[test]
fn a_look_up_does_not_wait_for_a_write_in_this_process() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let seen = state.write(|_| Ok(state.get_binding(&key_id(1), OWNER).unwrap()));
    assert_eq!(seen.unwrap(), Some(ready(1)));
}

#[test]
fn a_binding_at_hand_waits_for_no_other_thread() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    assert_eq!(state.get_now(&key_id(1), OWNER), Some(ready(1)));
    assert_eq!(state.get_now(&key_id(2), OWNER), None);
    let reading = locked(&state.impatient);
    assert_eq!(state.get_now(&key_id(1), OWNER), None);
    drop(reading);
    let listing = locked(&state.reader);
    assert_eq!(state.get_now(&key_id(1), OWNER), Some(ready(1)));
    drop(listing);
}

/// Locks the marks of all readers: bytes 123 to 127 of the wal-index (sqlite.org, "WAL-mode File
/// Format", section 2.3).
const LOCK: &str = "import fcntl, sys\n\
    index = open(sys.argv[1], 'r+b')\n\
    fcntl.lockf(index, fcntl.LOCK_EX, 5, 123)\n\
    print('locked', flush=True)\n\
    sys.stdin.read()\n";

/// Far less than the ten seconds for which `SQLite` waits for these locks, and far more than the
/// attempts take.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_binding_at_hand_waits_for_no_other_process() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", LOCK]).arg(home.path().join("state.sqlite-shm"));
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "locked\n");

    let begun = Instant::now();
    assert_eq!(state.get_now(&key_id(1), OWNER), None);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    drop(holder.stdin.take());
    assert!(device_key_testing::ended(&mut holder).success());
    assert_eq!(state.get_now(&key_id(1), OWNER), Some(ready(1)));
}

#[test]
fn the_reader_cannot_write_and_the_writer_opens_with_the_first_write() {
    let (_scratch, home) = home();
    drop(impatient(&home));
    let state = impatient(&home);
    let written = state.read(|reader| Ok(reader.execute("DELETE FROM device_key_bindings", ())?));
    assert_eq!(written.unwrap_err().code(), Some(rusqlite::ErrorCode::ReadOnly));
    assert!(locked(&state.writer).is_none());
    block_on(state.begin(&creating(1), 1000)).unwrap();
    let writer = locked(&state.writer);
    let setting = |name| writer.as_ref().unwrap().pragma_query_value(None, name, |row| row.get(0));
    assert_eq!(setting("synchronous"), Ok(2), "FULL");
    assert_eq!(setting("foreign_keys"), Ok(1));
    assert_eq!(setting("trusted_schema"), Ok(0));
    assert_eq!(setting("cell_size_check"), Ok(1));
    assert_eq!(setting("mmap_size"), Ok(0));
}
