//! Tests on a disk that is full.

use std::fs::{self, File};
use std::io::Write as _;

use device_key::DeviceKeyBindingStore as _;

use super::*;
use crate::child;
use crate::runtime::StateRuntime;
use crate::sample::{OWNER, block_on, home, key_id, kind, page, put, ready};

const KEYS: u8 = 60;

/// Takes all the space that is left.
fn fill(home: &PrivateDir) {
    let mut filler =
        File::options().create(true).append(true).open(home.path().join("filler")).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
}

fn is_reserved(home: &PrivateDir) -> bool {
    home.path().join(RESERVE).exists()
}

/// Deletes the keys while other programs take the space that each deletion frees.
fn delete_all(state: &StateRuntime, home: &PrivateDir) {
    for number in 0..KEYS {
        let id = key_id(number);
        let hidden = block_on(state.begin_deletion(&id, OWNER, ready(1).updated_at));
        assert!(hidden.unwrap().is_some(), "{number}");
        block_on(state.remove(&id)).unwrap();
        fill(home);
    }
    assert_eq!(state.list_bindings(OWNER, &page(None, 10)).unwrap().keys, []);
    assert!(!is_reserved(home));
}

#[test]
fn keys_can_be_deleted_when_the_disk_is_full() {
    let (_scratch, home) = home();
    child::run_on_small_disk("reserve::tests::child_deletes_on_a_full_disk", &home);
}

#[test]
#[ignore = "runs in a process of its own, which mounts a small disk"]
fn child_deletes_on_a_full_disk() {
    let Some(home) = child::home() else { return };
    let state = StateRuntime::open(&home).unwrap();
    for number in 0..KEYS {
        put(&state, &ready(number)).unwrap();
    }
    fill(&home);
    assert_eq!(kind(put(&state, &ready(200))), "unavailable");
    assert!(is_reserved(&home), "only deletions get the space");
    delete_all(&state, &home);
    fs::remove_file(home.path().join("filler")).unwrap();
    put(&state, &ready(200)).unwrap();
    assert!(is_reserved(&home), "the space is kept again for the next time");
}

#[test]
fn a_state_on_a_full_disk_can_be_opened_and_emptied() {
    let (_scratch, home) = home();
    child::run_on_small_disk("reserve::tests::child_opens_on_a_full_disk", &home);
}

#[test]
#[ignore = "runs in a process of its own, which mounts a small disk"]
fn child_opens_on_a_full_disk() {
    let Some(home) = child::home() else { return };
    let state = StateRuntime::open(&home).unwrap();
    for number in 0..KEYS {
        put(&state, &ready(number)).unwrap();
    }
    drop(state);
    fill(&home);
    delete_all(&StateRuntime::open(&home).unwrap(), &home);
}

#[test]
fn the_space_is_reserved_again_at_the_next_start() {
    let (_scratch, home) = home();
    drop(StateRuntime::open(&home).unwrap());
    let size = || fs::metadata(home.path().join(RESERVE)).unwrap().len();
    assert_eq!(size(), u64::try_from(SIZE).unwrap());
    assert!(release(&home));
    assert!(!release(&home));
    drop(StateRuntime::open(&home).unwrap());
    assert_eq!(size(), u64::try_from(SIZE).unwrap());
}
