//! The contract of a provider, as code.

use std::sync::Arc;

use device_key::{
    DeviceKey, DeviceKeyBinding, DeviceKeyProvider, DeviceKeyStore, LocalPeer, ProviderErrorKind,
};
use device_key_types::{DeviceKeyId, OsRandom, ProtectionPolicy, Reason};

use crate::{Assembly, MemoryBindings, SequenceRandom, samples};

/// Runs [`provider_for`] for a local process of some user.
///
/// # Panics
/// Panics when [`provider_for`] does.
pub async fn provider(provider: Arc<dyn DeviceKeyProvider>) {
    provider_for(provider, samples::peer(1000)).await;
}

/// Checks what every provider must do. The keystore is empty before and after. The suite works
/// through a [`DeviceKeyStore`], because nothing else can have a statement signed. `peer` is a
/// caller that the provider serves.
///
/// # Panics
/// Panics if the provider does not conform, or holds keys at the start.
pub async fn provider_for(provider: Arc<dyn DeviceKeyProvider>, peer: LocalPeer) {
    let description = provider.description();
    assert!(description.concurrency >= 1, "there is room for one operation");
    assert!(!description.name.is_empty(), "keys are found again by the provider's name");
    provider.presence(&peer).expect("present");
    provider.availability(&peer).expect("available");
    provider.serves(&peer).expect("serves");
    assert_eq!(provider.list().expect("list"), [], "conformance begins with an empty keystore");

    let assembly = Assembly::new().random(OsRandom).shared_provider(Arc::clone(&provider));
    let bindings = Arc::clone(&assembly.bindings);
    let store = PeerStore { store: assembly.store(), peer };
    let first = create(&store).await;
    let second = create(&store).await;
    assert_eq!(first.protection_class, description.protection_class);
    assert_ne!(first.public_key, second.public_key, "each key is a new one");

    let mut both = [first.key_id, second.key_id];
    both.sort();
    assert_eq!(provider.list().expect("list"), both, "every key is listed, in ascending order");

    for key in [&first, &second] {
        let recorded = record(&bindings, &key.key_id).reference();
        assert_eq!(recorded.public_key, key.public_key);
        signs(&store, key).await;
    }

    refuses_a_name_that_is_taken(&*provider, &first);
    refuses_another_public_key(&store, &bindings, &first, &second).await;
    signs(&store, &first).await;

    provider.delete(&first.key_id).expect("delete");
    assert_eq!(provider.list().expect("list"), [second.key_id], "one deletion takes one key");
    let reference = record(&bindings, &first.key_id).reference();
    let lost = provider
        .sign(&samples::signing_input(&reference))
        .expect_err("a deleted key is not loaded");
    assert_eq!(lost.kind(), ProviderErrorKind::KeyLost);
    assert_eq!(
        refusal(&store, &first.key_id).await,
        Reason::KeyLost,
        "the store does not sign either"
    );
    signs(&store, &second).await;

    provider.delete(&first.key_id).expect("deleting again is not an error");
    provider.delete(&SequenceRandom::key_id(1)).expect("nor is deleting a key that never existed");
    provider.delete(&second.key_id).expect("delete");
    assert_eq!(provider.list().expect("list"), [], "nothing stays behind");
}

/// A store, and the peer that asks it.
struct PeerStore {
    store: DeviceKeyStore,
    peer: LocalPeer,
}

async fn create(store: &PeerStore) -> DeviceKey {
    // The store has one provider, so it asks that provider whatever its class is.
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    store.store.create(&store.peer, samples::binding(), policy).await.expect("create")
}

async fn signs(store: &PeerStore, key: &DeviceKey) {
    for payload in [
        samples::connection_expiring_in(samples::LIFETIME_SECONDS),
        samples::enrollment_expiring_in(samples::LIFETIME_SECONDS),
    ] {
        let bytes = payload.signed_bytes().expect("statements can be written");
        let signed = store.store.sign(&store.peer, &key.key_id, payload).await.expect("sign");
        assert_eq!(*signed.signed_bytes, *bytes);
        key.public_key.verify(&bytes, &signed.signature).expect("the signature verifies");
    }
}

async fn refusal(store: &PeerStore, key_id: &DeviceKeyId) -> Reason {
    let payload = samples::connection_expiring_in(samples::LIFETIME_SECONDS);
    store.store.sign(&store.peer, key_id, payload).await.expect_err("not signed").reason()
}

/// A key is never replaced: creating a key under an id that is taken leaves the first key.
fn refuses_a_name_that_is_taken(provider: &dyn DeviceKeyProvider, taken: &DeviceKey) {
    provider.create(&taken.key_id).expect_err("a name is given once");
}

/// A key is lost if its public part is not the recorded one, whichever key is stored under its id.
async fn refuses_another_public_key(
    store: &PeerStore,
    bindings: &MemoryBindings,
    key: &DeviceKey,
    other: &DeviceKey,
) {
    let honest = record(bindings, &key.key_id);
    let public_key = other.public_key.clone();
    bindings.put(DeviceKeyBinding { public_key, ..honest.clone() });
    assert_eq!(refusal(store, &key.key_id).await, Reason::KeyLost);
    bindings.put(honest);
}

fn record(bindings: &MemoryBindings, key_id: &DeviceKeyId) -> DeviceKeyBinding {
    bindings.whole(key_id).expect("the key was made whole")
}
