//! The contract of a binding store, as code.

use device_key::{
    AbandonedKey, BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding,
    DeviceKeyBindingStore, KeyPhase, Listing, OwnerKeys, OwnerUid, Page,
};
use device_key_types::{AccountUserId, Binding, ProtectionClass, StorageParentName, TpmKind};

use crate::memory_provider::SoftwareKey;
use crate::{SequenceRandom, samples};

const OWNER: OwnerUid = OwnerUid::new(1000);
/// A limit above the number of keys that any owner has in this suite.
const MANY: u32 = 100;
const STRANGER: OwnerUid = OwnerUid::new(1001);

/// Checks what every binding store must do. The store is empty before and after. Each
/// implementation tests by itself that it finds the keys of dead processes, because that takes a
/// process that dies.
///
/// # Panics
/// Panics if the store does not conform, or is not empty at the start.
pub async fn binding_store(store: &dyn DeviceKeyBindingStore) {
    becomes_visible_when_complete(store).await;
    is_created_once(store).await;
    completes_only_what_was_begun(store).await;
    removal_can_be_repeated(store).await;
    keeps_every_field(store).await;
    lists_pages_of_an_owner(store).await;
    deletion_hides_a_key_at_once(store).await;
    an_owner_has_a_quota(store).await;
    all_keys_of_an_owner_are_hidden_at_once(store).await;
    assert_eq!(abandoned(store).await, [], "this process lives");
}

async fn becomes_visible_when_complete(store: &dyn DeviceKeyBindingStore) {
    let (begun, created) = (begun(1), created());
    store.begin(&begun, MANY).await.expect("begin");
    assert_eq!(get(store, &begun, OWNER).await, None, "a begun key is not there yet");
    assert_eq!(abandoned(store).await, [], "its creator lives");
    let given_up = store.abandoned(&|_| false).await.expect("abandoned");
    let left = AbandonedKey {
        key_id: begun.key_id,
        provider: begun.provider.into(),
        phase: KeyPhase::Creating,
    };
    assert_eq!(given_up, [left], "no request is busy with it");
    store.complete(&begun.key_id, &created, samples::NOW).await.expect("complete");
    assert_eq!(store.abandoned(&|_| false).await.expect("abandoned"), [], "it is complete");
    assert_eq!(get(store, &begun, OWNER).await, Some(whole(&begun, created)));
    assert_eq!(get(store, &begun, STRANGER).await, None, "it is its owner's alone");
    store.remove(&begun.key_id).await.expect("remove");
    assert_eq!(get(store, &begun, OWNER).await, None);
}

async fn is_created_once(store: &dyn DeviceKeyBindingStore) {
    let (first, made) = (begun(1), created());
    let again = CreatingKey { owner: STRANGER, provider: "another", ..begun(1) };
    store.begin(&first, MANY).await.expect("begin");
    let refused = store.begin(&again, MANY).await;
    assert!(matches!(refused, Err(BindingStoreError::Conflict)), "begun already: {refused:?}");
    store.complete(&first.key_id, &made, samples::NOW).await.expect("the first can go on");
    let refused = store.begin(&again, MANY).await;
    assert!(matches!(refused, Err(BindingStoreError::Conflict)), "whole already: {refused:?}");
    assert_eq!(get(store, &first, OWNER).await, Some(whole(&first, made)), "and untouched");
    assert_eq!(get(store, &first, STRANGER).await, None);
    store.remove(&first.key_id).await.expect("remove");
}

async fn completes_only_what_was_begun(store: &dyn DeviceKeyBindingStore) {
    let (key, made) = (begun(1), created());
    let refused = store.complete(&key.key_id, &made, samples::NOW).await;
    assert!(matches!(refused, Err(BindingStoreError::NotBegun)), "never begun: {refused:?}");
    store.begin(&key, MANY).await.expect("begin");
    store.complete(&key.key_id, &made, samples::NOW).await.expect("complete");
    let refused = store.complete(&key.key_id, &created(), samples::NOW).await;
    assert!(matches!(refused, Err(BindingStoreError::NotBegun)), "whole already: {refused:?}");
    assert_eq!(get(store, &key, OWNER).await, Some(whole(&key, made)), "and untouched");
    store.remove(&key.key_id).await.expect("remove");
}

async fn removal_can_be_repeated(store: &dyn DeviceKeyBindingStore) {
    let (first, second) = (begun(1), begun(2));
    store.begin(&first, MANY).await.expect("begin");
    store.begin(&second, MANY).await.expect("begin");
    store.remove(&first.key_id).await.expect("a begun key can be removed");
    store.remove(&first.key_id).await.expect("and again");
    store.remove(&begun(3).key_id).await.expect("removing a key that was never begun");
    let made = created();
    let refused = store.complete(&first.key_id, &made, samples::NOW).await;
    assert!(matches!(refused, Err(BindingStoreError::NotBegun)), "it is gone: {refused:?}");
    store.complete(&second.key_id, &made, samples::NOW).await.expect("the other key is there");
    store.begin(&first, MANY).await.expect("the name is free again");
    store.remove(&first.key_id).await.expect("remove");
    assert_eq!(get(store, &second, OWNER).await, Some(whole(&second, made)));
    store.remove(&second.key_id).await.expect("remove");
}

/// Uses text that databases and encodings tend to change, the smallest and largest numbers, and
/// absent optional fields. There are two keys at a time, so that a field of one key cannot appear
/// in the other.
async fn keeps_every_field(store: &dyn DeviceKeyBindingStore) {
    let texts = [
        ("zoë", "客户"),
        // The same letters in another Unicode composition name another account.
        ("zoe\u{308}", "🔑 ' \" \\ % _ --"),
        (" leading and trailing ", "\u{feff}\u{200b}"),
        ("A", "a"),
    ];
    let kinds = [
        (ProtectionClass::HardwareTpm, Some(TpmKind::Physical), Some(&b"\0\x0b name"[..])),
        (ProtectionClass::HardwareTpm, Some(TpmKind::Virtual), Some(&[0xff; 34])),
        (ProtectionClass::HardwareTpm, Some(TpmKind::Simulated), None),
        (ProtectionClass::OsProtectedNonextractable, None, None),
    ];
    let owners = [OwnerUid::new(0), OWNER, STRANGER, OwnerUid::new(u32::MAX)];
    let mut expected = Vec::new();
    let cases = texts.into_iter().zip(kinds).zip(owners);
    for (nth, (((account, client), (class, tpm_kind, parent)), owner)) in (1..).zip(cases) {
        let begun = CreatingKey {
            owner,
            binding: Binding {
                account_user_id: account.parse().unwrap(),
                client_id: client.parse().unwrap(),
            },
            protection_class: class,
            ..begun(nth)
        };
        let storage_parent = parent.map(StorageParentName::from_bytes);
        let created = CreatedKey { tpm_kind, storage_parent, ..created() };
        store.begin(&begun, MANY).await.expect("begin");
        let later = samples::NOW.saturating_add(7);
        store.complete(&begun.key_id, &created, later).await.expect("complete");
        let whole = DeviceKeyBinding { updated_at: later, ..whole(&begun, created) };
        expected.push((begun, whole));
    }
    for (begun, whole) in expected {
        assert_eq!(get(store, &begun, begun.owner).await, Some(whole));
        store.remove(&begun.key_id).await.expect("remove");
    }
}

async fn lists_pages_of_an_owner(store: &dyn DeviceKeyBindingStore) {
    let account: AccountUserId = "another".parse().unwrap();
    let mut keys = Vec::new();
    for nth in 1..=5 {
        let binding = if nth == 3 {
            Binding { account_user_id: account.clone(), ..samples::binding() }
        } else {
            samples::binding()
        };
        let owner = if nth == 5 { STRANGER } else { OWNER };
        let (begun, made) = (CreatingKey { owner, binding, ..begun(nth) }, created());
        store.begin(&begun, MANY).await.expect("begin");
        store.complete(&begun.key_id, &made, samples::NOW).await.expect("complete");
        keys.push(whole(&begun, made));
    }
    store.begin(&begun(6), MANY).await.expect("a begun key is not listed");
    let mut own: Vec<_> = keys.iter().filter(|key| key.owner == OWNER).cloned().collect();
    own.sort_by_key(|key| key.key_id.to_string());
    let all = Page { account_user_id: None, client_id: None, after: None, limit: 10 };
    let list = async |page: &Page| list(store, page).await;
    assert_eq!(list(&all).await, own);
    let first = list(&Page { limit: 3, ..all.clone() }).await;
    let after = first.last().map(|key| key.key_id);
    let rest = list(&Page { after, ..all.clone() }).await;
    assert_eq!((first.len(), [first, rest].concat()), (3, own.clone()));
    let of_account = Page { account_user_id: Some(account), ..all.clone() };
    let third: Vec<_> = keys.iter().skip(2).take(1).cloned().collect();
    assert_eq!(list(&of_account).await, third);
    let nobody = "nobody".parse().unwrap();
    assert_eq!(list(&Page { client_id: Some(nobody), ..all.clone() }).await, []);
    let client_id = Some(samples::binding().client_id);
    assert_eq!(list(&Page { client_id, ..all.clone() }).await, own);
    for nth in 1..=6 {
        store.remove(&SequenceRandom::key_id(nth)).await.expect("remove");
    }
    assert_eq!(list(&all).await, []);
}

async fn deletion_hides_a_key_at_once(store: &dyn DeviceKeyBindingStore) {
    let key = begun(1);
    let delete = async |owner| {
        store.begin_deletion(&key.key_id, owner, samples::NOW).await.expect("begin deletion")
    };
    assert_eq!(delete(OWNER).await, None, "there is no such key");
    store.begin(&key, MANY).await.expect("begin");
    assert_eq!(delete(OWNER).await, None, "a begun key is not there yet");
    store.complete(&key.key_id, &created(), samples::NOW).await.expect("complete");
    assert_eq!(delete(STRANGER).await, None, "it is its owner's alone");
    assert_eq!(delete(OWNER).await.as_deref(), Some(key.provider));
    assert_eq!(get(store, &key, OWNER).await, None);
    assert_eq!(delete(OWNER).await, None, "once");
    let all = Page { account_user_id: None, client_id: None, after: None, limit: 10 };
    assert_eq!(list(store, &all).await, []);
    let refused = store.begin(&key, MANY).await;
    assert!(matches!(refused, Err(BindingStoreError::Conflict)), "its name is taken: {refused:?}");
    let left = AbandonedKey {
        key_id: key.key_id,
        provider: key.provider.into(),
        phase: KeyPhase::Deleting,
    };
    assert_eq!(abandoned(store).await, [left], "it is still to be removed");
    store.remove(&key.key_id).await.expect("remove");
    assert_eq!(abandoned(store).await, []);
}

async fn an_owner_has_a_quota(store: &dyn DeviceKeyBindingStore) {
    store.begin(&begun(1), 2).await.expect("one");
    store.begin(&begun(2), 2).await.expect("two");
    store.complete(&begun(2).key_id, &created(), samples::NOW).await.expect("complete");
    let refused = store.begin(&begun(3), 2).await;
    assert!(matches!(refused, Err(BindingStoreError::QuotaExceeded)), "three: {refused:?}");
    store.begin(&CreatingKey { owner: STRANGER, ..begun(4) }, 2).await.expect("another owner's");
    store.begin_deletion(&begun(2).key_id, OWNER, samples::NOW).await.expect("begin deletion");
    store.begin(&begun(3), 2).await.expect("a hidden key does not count");
    for nth in 1..=4 {
        store.remove(&begun(nth).key_id).await.expect("remove");
    }
    for nth in 1..=4 {
        store.begin(&begun(nth), 1).await.expect("few keys are being deleted");
        store.complete(&begun(nth).key_id, &created(), samples::NOW).await.expect("complete");
        store.begin_deletion(&begun(nth).key_id, OWNER, samples::NOW).await.expect("hide");
    }
    let refused = store.begin(&begun(5), 1).await;
    assert!(matches!(refused, Err(BindingStoreError::QuotaExceeded)), "deleting: {refused:?}");
    store.begin(&CreatingKey { owner: STRANGER, ..begun(5) }, 1).await.expect("another owner's");
    for nth in 1..=5 {
        store.remove(&begun(nth).key_id).await.expect("remove");
    }
}

async fn all_keys_of_an_owner_are_hidden_at_once(store: &dyn DeviceKeyBindingStore) {
    let third = OwnerUid::new(u32::MAX);
    for (nth, owner) in [(1, OWNER), (2, OWNER), (3, STRANGER), (4, third), (5, OWNER)] {
        store.begin(&CreatingKey { owner, ..begun(nth) }, MANY).await.expect("begin");
        if nth != 5 {
            let key_id = begun(nth).key_id;
            store.complete(&key_id, &created(), samples::NOW).await.expect("complete");
        }
    }
    let owners = async |from, to, limit| {
        let owners: Vec<OwnerKeys> = store.owners(from, to, limit).await.expect("owners");
        owners.iter().map(|owner| (owner.owner, owner.keys)).collect::<Vec<_>>()
    };
    let (first, all) = (OwnerUid::new(0), [(OWNER, 2), (STRANGER, 1), (third, 1)]);
    assert_eq!(owners(first, third, 10).await, all);
    assert_eq!(owners(first, third, 2).await, all[..2]);
    assert_eq!(owners(STRANGER, third, 10).await, all[1..]);
    assert_eq!(owners(OWNER, OWNER, 10).await, all[..1]);
    assert_eq!(store.begin_purge(OWNER, samples::NOW).await.expect("begin purge"), 2);
    assert_eq!(store.begin_purge(OWNER, samples::NOW).await.expect("begin purge"), 0);
    assert_eq!(owners(first, third, 10).await, all[1..]);
    assert_eq!(get(store, &begun(1), OWNER).await, None);
    let hidden = abandoned(store).await.into_iter().map(|key| (key.key_id, key.phase));
    let hidden: Vec<_> = hidden.collect();
    assert_eq!(hidden.len(), 2, "{hidden:?}");
    for nth in [1, 2] {
        assert!(hidden.contains(&(begun(nth).key_id, KeyPhase::Deleting)), "{hidden:?}");
    }
    for nth in 1..=5 {
        store.remove(&begun(nth).key_id).await.expect("remove");
    }
}

/// The keys that are abandoned while this process is still busy with all that it began.
async fn abandoned(store: &dyn DeviceKeyBindingStore) -> Vec<AbandonedKey> {
    store.abandoned(&|_| true).await.expect("abandoned")
}

async fn get(
    store: &dyn DeviceKeyBindingStore,
    key: &CreatingKey,
    owner: OwnerUid,
) -> Option<DeviceKeyBinding> {
    store.get(&key.key_id, owner).await.expect("get")
}

/// The keys of a page, which may take several calls.
async fn list(store: &dyn DeviceKeyBindingStore, page: &Page) -> Vec<DeviceKeyBinding> {
    let (mut rest, mut keys) = (page.clone(), Vec::new());
    loop {
        let Listing { keys: found, unread_after } = store.list(OWNER, &rest).await.expect("list");
        let room = usize::try_from(rest.limit).unwrap();
        assert!(found.len() <= room && (found.len() < room || unread_after.is_none()), "{rest:?}");
        rest.limit -= u32::try_from(found.len()).unwrap();
        keys.extend(found);
        let Some(after) = unread_after else { return keys };
        rest.after = Some(after);
    }
}

fn begun(nth: u64) -> CreatingKey {
    CreatingKey {
        key_id: SequenceRandom::key_id(nth),
        owner: OWNER,
        binding: samples::binding(),
        provider: "conformance",
        protection_class: ProtectionClass::HardwareTpm,
        created_at: samples::NOW,
    }
}

fn created() -> CreatedKey {
    CreatedKey {
        public_key: SoftwareKey::random().public_key,
        tpm_kind: Some(TpmKind::Physical),
        storage_parent: Some(StorageParentName::from_bytes(b"parent")),
    }
}

fn whole(begun: &CreatingKey, created: CreatedKey) -> DeviceKeyBinding {
    DeviceKeyBinding {
        key_id: begun.key_id,
        owner: begun.owner,
        binding: begun.binding.clone(),
        provider: begun.provider.into(),
        protection_class: begun.protection_class,
        tpm_kind: created.tpm_kind,
        public_key: created.public_key,
        storage_parent: created.storage_parent,
        created_at: begun.created_at,
        updated_at: samples::NOW,
    }
}
