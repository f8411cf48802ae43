//! Tests of which keys count as abandoned.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use device_key::{DeviceKeyBindingStore, KeyPhase};
use device_key_types::DeviceKeyId;

use super::*;
use crate::child;
use crate::sample::{
    OWNER, block_on, created, creating, home, impatient, key_id, modes, raw, ready,
};

fn abandoned(state: &StateRuntime) -> Vec<DeviceKeyId> {
    block_on(state.abandoned(&|_| true)).unwrap().into_iter().map(|key| key.key_id).collect()
}

#[test]
fn keys_that_a_killed_process_began_are_abandoned() {
    let (_scratch, home) = home();
    let (child, lease) = child::start("abandoned::tests::child_begins_keys", &home, "077");
    let state = impatient(&home);
    assert!(abandoned(&state).is_empty(), "the process of the keys is alive");
    state.sweep_leases().unwrap();
    assert_eq!(modes(&home.path().join("lock")), [(lease.clone(), 0o600)]);

    child::kill(child);
    let before = fs::read(home.path().join("state.sqlite-wal")).unwrap();
    let expected =
        [AbandonedKey { key_id: key_id(2), provider: "tpm2".into(), phase: KeyPhase::Creating }];
    for state in [&state, &impatient(&home)] {
        assert_eq!(block_on(state.abandoned(&|_| true)).unwrap(), expected);
    }
    assert_eq!(fs::read(home.path().join("state.sqlite-wal")).unwrap(), before);
    assert_eq!(
        modes(&home.path().join("lock")),
        [(lease, 0o600)],
        "listing abandoned keys removes nothing"
    );
    assert!(state.get_binding(&key_id(1), OWNER).unwrap().is_some(), "a complete key stays");

    block_on(state.remove(&key_id(2))).unwrap();
    assert!(abandoned(&state).is_empty());
    assert!(modes(&home.path().join("lock")).is_empty(), "no lease file is left");
}

#[test]
#[ignore = "runs in a process of its own, which is killed"]
fn child_begins_keys() {
    let Some(home) = child::home() else { return };
    let state = StateRuntime::open(&home).unwrap();
    block_on(state.begin(&creating(1), 1000)).unwrap();
    block_on(state.complete(&key_id(1), &created(), ready(1).updated_at)).unwrap();
    block_on(state.begin(&creating(2), 1000)).unwrap();
    child::ready(state.leases().taken().unwrap().as_str());
}

#[test]
fn keys_are_not_abandoned_while_their_runtime_exists() {
    let (_scratch, home) = home();
    let (one, other) = (impatient(&home), impatient(&home));
    block_on(one.begin(&creating(1), 1000)).unwrap();
    assert!(abandoned(&one).is_empty());
    assert!(abandoned(&other).is_empty());
    drop(one);
    assert_eq!(abandoned(&other), [key_id(1)]);
}

/// The holder completes the key and ends after the record was read and before the lease is checked.
#[test]
fn a_key_that_is_completed_during_the_check_is_not_abandoned() {
    let (_scratch, home) = home();
    let (creator, sweeper) = (impatient(&home), impatient(&home));
    block_on(creator.begin(&creating(1), 1000)).unwrap();
    let complete = |nth| {
        block_on(creator.complete(&key_id(nth), &created(), ready(1).updated_at)).unwrap();
    };
    let found = sweeper.abandoned_keys(
        |_| true,
        |_| {
            complete(1);
            Ok(false)
        },
    );
    assert_eq!(found.unwrap(), []);
    assert!(sweeper.get_binding(&key_id(1), OWNER).unwrap().is_some());

    // The creator is another request of this process.
    block_on(creator.begin(&creating(2), 1000)).unwrap();
    let found = creator.abandoned_keys(
        |_| {
            complete(2);
            false
        },
        |_| Ok(false),
    );
    assert_eq!(found.unwrap(), []);
    assert!(creator.get_binding(&key_id(2), OWNER).unwrap().is_some());
}

#[test]
fn a_key_that_no_request_of_this_process_creates_any_more_is_abandoned() {
    let (_scratch, home) = home();
    let (one, other) = (impatient(&home), impatient(&home));
    block_on(one.begin(&creating(1), 1000)).unwrap();
    block_on(one.begin(&creating(2), 1000)).unwrap();
    let creates_the_second = |key: &DeviceKeyId| *key == key_id(2);
    let found = block_on(one.abandoned(&creates_the_second)).unwrap();
    assert_eq!(found.iter().map(|key| key.key_id).collect::<Vec<_>>(), [key_id(1)]);
    let found = block_on(other.abandoned(&|_| false)).unwrap();
    assert_eq!(found, [], "only the process itself knows");
}

#[test]
fn keys_stay_if_their_lease_cannot_be_checked() {
    let (_scratch, home) = home();
    let (creator, sweeper) = (impatient(&home), impatient(&home));
    block_on(creator.begin(&creating(1), 1000)).unwrap();
    let lease = home.path().join("lock").join(creator.leases().taken().unwrap().as_str());
    drop(creator);
    fs::write(&lease, "").unwrap();
    fs::set_permissions(&lease, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(abandoned(&sweeper).is_empty());
    fs::set_permissions(&lease, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(abandoned(&sweeper), [key_id(1)]);
}

#[test]
fn a_damaged_record_does_not_hide_the_other_abandoned_keys() {
    let (_scratch, home) = home();
    let (creator, sweeper) = (impatient(&home), impatient(&home));
    block_on(creator.begin(&creating(1), 1000)).unwrap();
    block_on(creator.begin(&creating(2), 1000)).unwrap();
    drop(creator);
    let raw = raw(&home);
    raw.pragma_update(None, "ignore_check_constraints", true).unwrap();
    let damage = "UPDATE device_key_bindings SET provider = CAST(x'ff' AS TEXT) WHERE key_id = ?1";
    assert_eq!(raw.execute(damage, [key_id(1).to_string()]), Ok(1));
    assert_eq!(abandoned(&sweeper), [key_id(2)]);
}

#[test]
fn the_first_begin_removes_only_leases_of_ended_processes() {
    let (_scratch, home) = home();
    let (live, next) = (impatient(&home), impatient(&home));
    block_on(live.begin(&creating(1), 1000)).unwrap();
    let lock = home.path().join("lock");
    let litter = ["0123456789abcdef0123456789abcdef", "state-preparing", "tpm", "0123"];
    for name in litter {
        fs::write(lock.join(name), "").unwrap();
        fs::set_permissions(lock.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    block_on(next.begin(&creating(2), 1000)).unwrap();
    let mut expected: Vec<String> = vec!["0123".into(), "tpm".into()];
    expected.extend([&live, &next].map(|state| state.leases().taken().unwrap().to_string()));
    expected.sort();
    let left: Vec<String> = modes(&lock).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, expected);
}

#[test]
fn the_search_for_abandoned_keys_reads_only_unfinished_records() {
    let (_scratch, home) = home();
    drop(impatient(&home));
    let plan: String = raw(&home)
        .query_row(&format!("EXPLAIN QUERY PLAN {PENDING}"), (), |row| row.get(3))
        .unwrap();
    assert!(plan.contains("USING INDEX device_key_bindings_unfinished (phase=?)"), "{plan}");
}
