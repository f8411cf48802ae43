//! Tests of the table of bindings.

use std::collections::BTreeSet;

use device_key::DeviceKeyBindingStore;
use rusqlite::params;

use super::*;
use crate::sample::{
    OWNER, block_on, created, creating, home, impatient, key_id, kind, page, put, raw, ready,
};

fn plan(state: &StateRuntime, sql: &str, count: usize) -> String {
    state
        .read(|connection| {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let given = vec!["1"; count];
            let details = explain
                .query_map(rusqlite::params_from_iter(given), |row| row.get::<_, String>(3))?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(details.join("; "))
        })
        .unwrap()
}

#[test]
fn each_query_searches_its_index() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    let table = "SEARCH device_key_bindings USING";
    let by_key = format!("{table} PRIMARY KEY (key_id=?)");
    assert_eq!(plan(&state, LOOK_UP, 2), by_key);
    assert_eq!(plan(&state, COMPLETE, 6), by_key);
    assert_eq!(plan(&state, DELETE, 1), by_key);
    let by_owner = format!("{table} INDEX device_key_bindings_of_owner (owner_uid=? AND key_id>?)");
    assert_eq!(plan(&state, PART, 4), by_owner);
    for (sql, name, column) in
        [(PART_OF_ACCOUNT, "account", "account_user_id"), (PART_OF_CLIENT, "client", "client_id")]
    {
        let index = format!("INDEX device_key_bindings_of_{name}");
        let by_filter = format!("{table} {index} (owner_uid=? AND {column}=? AND key_id>?)");
        assert_eq!(plan(&state, sql, 4), by_filter);
    }
    assert_eq!(plan(&state, BEGIN_DELETION, 3), by_key);
    let count = plan(&state, COUNTS_OF_OWNER, 1);
    let ready = "USING COVERING INDEX device_key_bindings_of_owner (owner_uid=?)";
    let unfinished = "USING INDEX device_key_bindings_unfinished (phase=?)";
    assert!(count.contains(ready) && count.contains(unfinished), "{count}");
}

#[test]
fn the_state_conforms_to_the_contract_of_stores() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    block_on(device_key_testing::conformance::binding_store(&state));
    assert_eq!(state.count_by_phase().unwrap(), PhaseCounts::default());
}

#[test]
fn only_the_owner_sees_a_key_and_only_when_it_is_complete() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    let (id, now) = (key_id(1), ready(1).updated_at);
    block_on(state.begin(&creating(1), 1000)).unwrap();
    assert_eq!(state.get_binding(&id, OWNER).unwrap(), None);
    block_on(state.complete(&id, &created(), now)).unwrap();
    assert_eq!(state.get_binding(&id, OWNER).unwrap(), Some(ready(1)));
    assert_eq!(state.get_binding(&id, OwnerUid::new(1001)).unwrap(), None);
    assert_eq!(state.list_bindings(OwnerUid::new(1001), &page(None, 9)).unwrap().keys, []);
    assert_eq!(kind(block_on(state.complete(&id, &created(), now))), "not_begun");
    assert!(state.delete_binding(&id).unwrap());
    assert!(!state.delete_binding(&id).unwrap());
    assert_eq!(state.get_binding(&id, OWNER).unwrap(), None);
}

#[test]
fn only_the_runtime_that_began_a_key_can_complete_it() {
    let (_scratch, home) = home();
    let (one, other) = (impatient(&home), impatient(&home));
    let now = ready(1).updated_at;
    block_on(one.begin(&creating(1), 1000)).unwrap();
    assert_eq!(kind(block_on(other.complete(&key_id(1), &created(), now))), "not_begun");
    block_on(other.begin(&creating(2), 1000)).unwrap();
    assert_eq!(kind(block_on(other.complete(&key_id(1), &created(), now))), "not_begun");
    block_on(one.complete(&key_id(1), &created(), now)).unwrap();
}

#[test]
fn a_conflict_does_not_change_the_first_record() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let mut second = creating(1);
    second.owner = OwnerUid::new(7);
    assert_eq!(kind(block_on(state.begin(&second, 1000))), "conflict");
    let mut second = ready(1);
    second.binding.client_id = "another".parse().unwrap();
    assert_eq!(kind(put(&state, &second)), "conflict");
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), Some(ready(1)));
    block_on(state.begin(&creating(2), 1000)).unwrap();
    assert_eq!(kind(put(&state, &ready(2))), "conflict");
    let counts = PhaseCounts { creating: 1, ready: 1, deleting: 0 };
    assert_eq!(state.count_by_phase().unwrap(), counts);
}

#[test]
fn optional_columns_and_extreme_values_are_read_back() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    let mut key = ready(1);
    key.owner = OwnerUid::new(u32::MAX);
    key.tpm_kind = None;
    key.storage_parent = None;
    key.created_at = UnixTime::from_seconds(i64::MIN);
    key.binding.account_user_id = "é".repeat(256).parse().unwrap();
    put(&state, &key).unwrap();
    assert_eq!(state.get_binding(&key.key_id, key.owner).unwrap(), Some(key));
}

#[test]
fn pages_cover_every_key_of_the_owner_once() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    for number in 0..25 {
        let mut key = ready(number * 10);
        key.owner = OwnerUid::new(u32::from(number % 5 == 4));
        put(&state, &key).unwrap();
    }
    block_on(state.begin(&creating(255), 1000)).unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let keys = state.list_bindings(OwnerUid::new(0), &page(after, 7)).unwrap().keys;
        let Some(last) = keys.last() else { break };
        assert!(keys.len() <= 7);
        after = Some(last.key_id);
        seen.extend(keys.iter().map(|key| key.key_id.to_string()));
    }
    assert!(seen.is_sorted());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 20);
    assert_eq!(seen.len(), 20);
}

/// A user with very many keys makes others wait for one bounded read, whatever the filter is.
#[test]
fn a_list_reads_a_bounded_number_of_records() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    raw(&home).execute(MANY_MORE, ()).unwrap();
    let filtered = |account: Option<&str>, client: Option<&str>, after| Page {
        account_user_id: account.map(|text| text.parse().unwrap()),
        client_id: client.map(|text| text.parse().unwrap()),
        ..page(after, 100)
    };
    for (account, client) in [(None, Some("nobody")), (Some("nobody"), None)] {
        let none = state.list_bindings(OWNER, &filtered(account, client, None)).unwrap();
        assert_eq!(none, Listing { keys: Vec::new(), unread_after: None }, "an index tells");
    }
    let (mut reads, mut after) = (0, None);
    loop {
        let both = filtered(Some("user-Ω"), Some("nobody"), after);
        let part = state.list_bindings(OWNER, &both).unwrap();
        assert_eq!(part.keys, []);
        reads += 1;
        let Some(next) = part.unread_after else { break };
        assert!(after.is_none_or(|after| next.to_string() > after.to_string()));
        after = Some(next);
    }
    assert_eq!(reads, 10_001 / 256 + 1);
}

/// Copies the one record ten thousand times.
const MANY_MORE: &str = "INSERT INTO device_key_bindings \
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 10000) \
    SELECT printf('dk_%042dA', n), owner_uid, account_user_id, client_id, created_at, updated_at, \
    phase, provider, protection_class, tpm_kind, public_key_spki_der, storage_parent_name, \
    creator_lease FROM n, device_key_bindings";

#[test]
fn an_invalid_record_is_reported_as_damaged_without_its_contents() {
    let secret = "do not show this";
    for (column, value) in [
        ("account_user_id", "do not show this\u{7}"),
        ("client_id", ""),
        ("protection_class", secret),
        ("tpm_kind", secret),
    ] {
        assert_damaged(column, &value);
    }
    assert_damaged("public_key_spki_der", &secret.as_bytes());
    assert_damaged("provider", &b"do not show this\xff".as_slice());
}

fn assert_damaged(column: &str, value: &dyn rusqlite::ToSql) {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    let raw = raw(&home);
    raw.pragma_update(None, "ignore_check_constraints", true).unwrap();
    let cast = if column == "public_key_spki_der" { "BLOB" } else { "TEXT" };
    let update = format!("UPDATE device_key_bindings SET {column} = CAST(?1 AS {cast})");
    raw.execute(&update, params![value]).unwrap();
    // The damage is one key's alone: the others are listed, and the key can be removed.
    put(&state, &ready(2)).unwrap();
    let listed = state.list_bindings(OWNER, &page(None, 10)).unwrap();
    assert_eq!(listed, Listing { keys: vec![ready(2)], unread_after: None }, "{column}");
    assert_eq!(state.damaged_key_ids().unwrap(), [key_id(1)], "{column}");
    assert_eq!(state.key_ids().unwrap(), [key_id(1), key_id(2)]);
    let error = state.get_binding(&key_id(1), OWNER).unwrap_err();
    let BindingStoreError::Damaged(source) = &error else { panic!("{column}: {error:?}") };
    let source = source.downcast_ref::<DatabaseError>().unwrap();
    assert!(matches!(source, DatabaseError::Record { column: found } if *found == column));
    assert!(!format!("{error:?} {error} {source}").contains("show"), "{column}");
    let hidden = block_on(state.begin_deletion(&key_id(1), OWNER, ready(1).updated_at));
    if column != "provider" {
        assert_eq!(hidden.unwrap().as_deref(), Some("tpm2"), "{column}");
    }
    block_on(state.remove(&key_id(1))).unwrap();
    assert_eq!(state.key_ids().unwrap(), [key_id(2)]);
}

#[test]
fn the_schema_refuses_values_that_the_types_cannot_have() {
    let (_scratch, home) = home();
    let state = impatient(&home);
    put(&state, &ready(1)).unwrap();
    block_on(state.begin(&creating(2), 1000)).unwrap();
    let (raw, long) = (raw(&home), "x".repeat(513));
    let long = format!("account_user_id = '{long}'");
    for set in [
        "key_id = 'dk_short'",
        "key_id = replace(key_id, 'dk_', 'xx_')",
        "key_id = substr(key_id, 1, 45) || '/'",
        "key_id = substr(key_id, 1, 45) || 'é'",
        long.as_str(),
        "client_id = ''",
        "owner_uid = -1",
        "owner_uid = 4294967296",
        "created_at = 'now'",
        "phase = 'done'",
        "phase = CASE phase WHEN 'ready' THEN 'creating' ELSE 'ready' END",
        "creator_lease = '../state.sqlite'",
        "creator_lease = CASE phase WHEN 'ready' THEN hex(zeroblob(16)) END",
        "public_key_spki_der = CASE phase WHEN 'creating' THEN x'00' END",
    ] {
        let refused = raw.execute(&format!("UPDATE device_key_bindings SET {set}"), ());
        let code = refused.unwrap_err().sqlite_error_code();
        assert_eq!(code, Some(rusqlite::ErrorCode::ConstraintViolation), "{set}");
    }
    raw.execute("UPDATE device_key_bindings SET phase = 'deleting' WHERE phase = 'ready'", ())
        .unwrap();
    assert_eq!(state.get_binding(&key_id(1), OWNER).unwrap(), None);
    assert_eq!(state.count_by_phase().unwrap().deleting, 1);
}
