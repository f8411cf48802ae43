//! Listing keys, deleting keys, and the quota of an owner.

use std::sync::Arc;

use device_key::{
    BindingStoreError, DeviceKeyProvider as _, DeviceKeyStore, KeyPage, LocalPeer, Page,
    StoreLimits,
};
use device_key_testing::{
    Assembly, BindingOperation, Event, Faults, Gate, HookedProvider, MemoryProvider,
    ProviderOperation, SequenceRandom, samples,
};
use device_key_types::{Binding, DeviceKeyId, ProtectionPolicy, Reason};

const PEER: LocalPeer = samples::peer(1000);
const STRANGER: LocalPeer = samples::peer(1001);
const ALL: Page = Page { account_user_id: None, client_id: None, after: None, limit: 100 };

async fn create(store: &DeviceKeyStore, peer: &LocalPeer) -> Result<DeviceKeyId, Reason> {
    let created = store.create(peer, samples::binding(), ProtectionPolicy::HardwareOnly).await;
    created.map(|key| key.key_id).map_err(|error| error.reason())
}

async fn delete(store: &DeviceKeyStore, peer: &LocalPeer, id: &DeviceKeyId) -> Result<(), Reason> {
    store.delete(peer, id).await.map_err(|error| error.reason())
}

async fn sign(store: &DeviceKeyStore, id: &DeviceKeyId) -> Result<(), Reason> {
    let payload = samples::connection_expiring_in(60);
    store.sign(&PEER, id, payload).await.map(drop).map_err(|error| error.reason())
}

fn ids(page: &KeyPage) -> Vec<DeviceKeyId> {
    page.keys.iter().map(|key| key.key_id).collect()
}

#[tokio::test]
async fn a_deleted_key_is_gone_with_its_material() {
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().shared_provider(provider.clone());
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let (key, other) = (create(&store, &PEER).await.unwrap(), create(&store, &PEER).await.unwrap());
    assert_eq!(delete(&store, &STRANGER, &key).await, Err(Reason::KeyNotFound));
    assert_eq!(sign(&store, &key).await, Ok(()), "a stranger's attempt changes nothing");

    assert_eq!(delete(&store, &PEER, &key).await, Ok(()));
    assert_eq!(store.settled().await, 0);
    assert_eq!(provider.list().unwrap(), [other]);
    assert_eq!(bindings.key_ids(), [other]);
    assert_eq!(delete(&store, &PEER, &key).await, Err(Reason::KeyNotFound));
    assert_eq!(sign(&store, &key).await, Err(Reason::KeyNotFound));
    assert_eq!(store.public(&PEER, &key).await.unwrap_err().reason(), Reason::KeyNotFound);
    assert_eq!(sign(&store, &other).await, Ok(()));
    let unknown = SequenceRandom::key_id(99);
    assert_eq!(delete(&store, &PEER, &unknown).await, Err(Reason::KeyNotFound));
}

#[tokio::test]
async fn a_long_list_gives_its_turn_back_between_reads() {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    for _ in 0..20 {
        create(&store, &PEER).await.unwrap();
    }
    recorder.take();
    let mut nobody = ALL;
    nobody.client_id = Some("nobody".parse().unwrap());
    assert_eq!(store.list(&PEER, nobody).await.unwrap().keys, []);
    // The store of this test reads four records at a time.
    assert_eq!(recorder.take(), [Event::Bindings(BindingOperation::List); 5]);
    let page = store.list(&PEER, Page { limit: 19, ..ALL }).await.unwrap();
    assert_eq!((page.keys.len(), page.has_more), (19, true));
    let page = store.list(&PEER, ALL).await.unwrap();
    assert_eq!((page.keys.len(), page.has_more), (20, false));
}

#[tokio::test]
async fn a_key_with_a_damaged_record_can_be_deleted() {
    let damaged = || BindingStoreError::Damaged("for a test".into());
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new()
        .shared_provider(provider.clone())
        .bindings_hook(Faults::nth(BindingOperation::Get, 1, damaged))
        .bindings_hook(Faults::nth(BindingOperation::Get, 2, damaged));
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let key = create(&store, &PEER).await.unwrap();
    assert_eq!(sign(&store, &key).await, Err(Reason::StateUnavailable));
    assert_eq!(delete(&store, &PEER, &key).await, Ok(()));
    assert_eq!(store.settled().await, 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));
}

#[tokio::test]
async fn a_signature_that_ends_after_the_deletion_is_not_returned() {
    let gate = Gate::opened(ProviderOperation::Sign);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let assembly = Assembly::new().provider(provider);
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let key = create(&store, &PEER).await.unwrap();
    gate.close();
    let signing = tokio::spawn({
        let store = store.clone();
        async move { sign(&store, &key).await }
    });
    gate.arrived(2).await;
    // The provider is still signing with the key.
    assert_eq!(delete(&store, &PEER, &key).await, Ok(()));
    gate.open();
    assert_eq!(signing.await.unwrap(), Err(Reason::KeyNotFound));
    assert_eq!(store.settled().await, 0);
    assert_eq!(bindings.key_ids(), []);
}

#[tokio::test]
async fn a_list_holds_every_key_of_the_caller_once() {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(create(&store, &PEER).await.unwrap());
        create(&store, &STRANGER).await.unwrap();
    }
    let other_account =
        Binding { account_user_id: "another".parse().unwrap(), ..samples::binding() };
    let policy = ProtectionPolicy::HardwareOnly;
    let special = store.create(&PEER, other_account.clone(), policy).await.unwrap().key_id;
    own.push(special);
    own.sort_by_key(ToString::to_string);

    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.list(&PEER, Page { after, limit: 4, ..ALL }).await.unwrap();
        seen.extend(ids(&page));
        after = page.keys.last().map(|key| key.key_id);
        pages += 1;
        if !page.has_more {
            break;
        }
    }
    assert_eq!((seen, pages), (own, 2));
    let exact = store.list(&PEER, Page { limit: 6, ..ALL }).await.unwrap();
    assert!(!exact.has_more, "a full page may be the last page");
    let account_user_id = Some(other_account.account_user_id);
    let filtered = store.list(&PEER, Page { account_user_id, ..ALL }).await.unwrap();
    assert_eq!(ids(&filtered), [special]);
}

#[tokio::test]
async fn each_owner_has_a_quota_and_a_refusal_leaves_nothing() {
    let provider = Arc::new(MemoryProvider::hardware());
    let limits = StoreLimits { keys_per_owner: 2, ..StoreLimits::default() };
    let store = Assembly::new().limits(limits).shared_provider(provider.clone()).store();
    let first = create(&store, &PEER).await.unwrap();
    create(&store, &PEER).await.unwrap();
    assert_eq!(create(&store, &PEER).await, Err(Reason::QuotaExceeded));
    assert_eq!(provider.list().unwrap().len(), 2);
    create(&store, &STRANGER).await.unwrap();
    delete(&store, &PEER, &first).await.unwrap();
    create(&store, &PEER).await.unwrap();
}
