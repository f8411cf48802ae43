//! The administrator counts the keys of users and deletes them, and does nothing else.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::Arc;

use device_key::{
    DeviceKeyProvider as _, DeviceKeyStore, LocalPeer, OwnerKeys, OwnerUid, Page, Transport,
};
use device_key_testing::{
    Assembly, Faults, HookedProvider, IntoProviderError as _, MemoryProvider, ProviderOperation,
    samples,
};
use device_key_types::{DeviceKeyId, ProtectionPolicy};

const GONE: LocalPeer = samples::peer(4002);
const OTHER: LocalPeer = samples::peer(4003);
const ROOT: LocalPeer = LocalPeer::from_transport(OwnerUid::new(0), Transport::UnixSocket);
const ALL: Page = Page { account_user_id: None, client_id: None, after: None, limit: 100 };

async fn create(store: &DeviceKeyStore, peer: &LocalPeer) -> DeviceKeyId {
    let policy = ProtectionPolicy::HardwareOnly;
    store.create(peer, samples::binding(), policy).await.unwrap().key_id
}

async fn owners(store: &DeviceKeyStore) -> Vec<OwnerKeys> {
    let administrator = ROOT.as_administrator().unwrap();
    let (first, last) = (OwnerUid::new(0), OwnerUid::new(u32::MAX));
    store.owners(&administrator, first, last, 10).await.unwrap()
}

#[tokio::test]
async fn a_purge_deletes_all_keys_of_one_user_and_is_finished_in_the_background() {
    let provider = Arc::new(MemoryProvider::hardware());
    let busy = || device_key::ProviderErrorKind::Busy.into_error();
    let hooked = HookedProvider::shared(provider.clone()).with(Faults::nth(
        ProviderOperation::Delete,
        1,
        busy,
    ));
    let store = Assembly::new().provider(hooked).store();
    for _ in 0..3 {
        create(&store, &GONE).await;
    }
    let kept = create(&store, &OTHER).await;
    let of = |owner: LocalPeer, keys| OwnerKeys { owner: owner.owner(), keys };
    assert_eq!(owners(&store).await, [of(GONE, 3), of(OTHER, 1)]);

    let administrator = ROOT.as_administrator().unwrap();
    assert_eq!(store.purge(&administrator, GONE.owner()).await.unwrap(), 3);
    assert_eq!(store.purge(&administrator, GONE.owner()).await.unwrap(), 0);
    assert_eq!(owners(&store).await, [of(OTHER, 1)]);
    assert_eq!(store.list(&GONE, ALL).await.unwrap().keys, []);
    // The new user of the number begins with nothing.
    let new = create(&store, &GONE).await;
    assert_eq!(store.settled().await, 1, "one key cannot be removed yet");
    assert_eq!(provider.list().unwrap().len(), 3);
    for key in [(OTHER, kept), (GONE, new)] {
        store.sign(&key.0, &key.1, samples::connection_expiring_in(60)).await.unwrap();
    }
}
