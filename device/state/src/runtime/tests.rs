//! Tests of transactions and of the two connections.

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
fn a_look_up_does_not_wait_for_a_write_in_this_process() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let seen = state.write(|_| Ok(state.get_binding(&key_id(1), OWNER).unwrap()));
    assert_eq!(seen.unwrap(), Some(ready(1)));
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
