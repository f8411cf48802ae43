//! A key is created completely or not at all, and what is not complete is removed.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::Arc;

use device_key::{
    DeviceKeyError, DeviceKeyProvider, DeviceKeyStore, LocalPeer, ProviderError, ProviderErrorKind,
};
use device_key_testing::{
    Assembly, BindingOperation, BrokenRandom, Corruption, Event, Faults, HookedProvider,
    IntoProviderError as _, MemoryProvider, Moment, ProviderOperation, SequenceRandom, samples,
    unavailable,
};
use device_key_types::{ProtectionPolicy, Reason};

const PEER: LocalPeer = samples::peer(1000);

async fn create(store: &DeviceKeyStore) -> Result<device_key::DeviceKey, DeviceKeyError> {
    store.create(&PEER, samples::binding(), ProtectionPolicy::HardwareOnly).await
}

fn failed() -> ProviderError {
    ProviderErrorKind::Failed.into_error()
}

fn hooked(
    provider: &Arc<MemoryProvider>,
    hook: impl device_key_testing::Hook<ProviderOperation> + 'static,
) -> HookedProvider {
    HookedProvider::shared(provider.clone()).with(hook)
}

/// Asserts that a creation fails and leaves neither key material nor a record.
async fn leaves_nothing(assembly: Assembly, provider: &dyn DeviceKeyProvider, reason: Reason) {
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    assert_eq!(create(&store).await.unwrap_err().reason(), reason);
    assert_eq!(store.settled().await, 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));
}

#[tokio::test]
async fn a_created_key_is_complete() {
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().shared_provider(provider.clone());
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let key = create(&store).await.unwrap();
    assert_eq!(key.key_id, SequenceRandom::key_id(1));
    assert_eq!(provider.list().unwrap(), [key.key_id]);
    let record = bindings.whole(&key.key_id).unwrap();
    assert_eq!(record.binding, samples::binding());
    assert_eq!(record.owner, PEER.owner());
    assert_eq!(&*record.provider, provider.description().name);
    assert_eq!((record.created_at, record.updated_at), (samples::NOW, samples::NOW));
    assert_eq!(store.public(&PEER, &key.key_id).await.unwrap(), key);
}

#[tokio::test]
async fn each_failing_step_in_the_provider_is_undone() {
    for operation in [ProviderOperation::Create, ProviderOperation::Sign] {
        let provider = Arc::new(MemoryProvider::hardware());
        let before = hooked(&provider, Faults::always(operation, failed));
        leaves_nothing(Assembly::new().provider(before), &*provider, Reason::ProviderFailed).await;
        let after = hooked(&provider, Faults::always(operation, failed).after_the_work());
        leaves_nothing(Assembly::new().provider(after), &*provider, Reason::ProviderFailed).await;
    }
}

#[tokio::test]
async fn each_failing_step_in_the_bindings_is_undone() {
    let provider = Arc::new(MemoryProvider::hardware());
    let begin = Faults::always(BindingOperation::Begin, unavailable);
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(begin);
    leaves_nothing(assembly, &*provider, Reason::StateUnavailable).await;

    let complete = Faults::always(BindingOperation::Complete, unavailable);
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(complete);
    leaves_nothing(assembly, &*provider, Reason::StateUnavailable).await;

    let answer_lost = Faults::always(BindingOperation::Begin, unavailable).after_the_work();
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(answer_lost);
    leaves_nothing(assembly, &*provider, Reason::StateUnavailable).await;
}

#[tokio::test]
async fn a_key_that_is_complete_is_answered_even_if_the_answer_of_the_bindings_is_lost() {
    let answer_lost = Faults::always(BindingOperation::Complete, unavailable).after_the_work();
    let store =
        Assembly::new().provider(MemoryProvider::hardware()).bindings_hook(answer_lost).store();
    let key = create(&store).await.unwrap();
    assert_eq!(store.settled().await, 0);
    assert_eq!(store.public(&PEER, &key.key_id).await.unwrap(), key);
    store.sign(&PEER, &key.key_id, samples::connection_expiring_in(60)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_does_not_prove_itself_is_undone() {
    let lies = [
        (Corruption::SignatureByAnotherKey, Reason::ProviderFailed),
        (Corruption::AnotherPublicKey, Reason::KeyLost),
    ];
    for (corruption, reason) in lies {
        let provider = Arc::new(MemoryProvider::hardware());
        provider.lie(corruption);
        let assembly = Assembly::new().shared_provider(provider.clone());
        leaves_nothing(assembly, &*provider, reason).await;
    }
    // The self-test is verified even if later signatures are not.
    let provider = Arc::new(MemoryProvider::os_protected());
    provider.lie(Corruption::SignatureByAnotherKey);
    let store = Assembly::new().shared_provider(provider.clone()).store();
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    store.create(&PEER, samples::binding(), policy).await.unwrap_err();
    assert_eq!(store.settled().await, 0);
    assert_eq!(provider.list().unwrap(), []);
}

#[tokio::test]
async fn key_material_is_removed_before_its_record() {
    let provider = HookedProvider::new(MemoryProvider::hardware())
        .with(Faults::always(ProviderOperation::Sign, failed));
    let assembly = Assembly::new().provider(provider);
    let recorder = assembly.recorder.clone();
    let store = assembly.store();
    create(&store).await.unwrap_err();
    assert_eq!(store.settled().await, 0);
    let events = recorder.take();
    let undo =
        [Event::Provider(ProviderOperation::Delete), Event::Bindings(BindingOperation::Remove)];
    assert!(events.ends_with(&undo), "{events:?}");
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_touched() {
    let provider = Arc::new(MemoryProvider::hardware());
    let first = Assembly::new().shared_provider(provider.clone());
    let bindings = first.bindings.clone();
    let key = create(&first.store()).await.unwrap();
    let record = bindings.whole(&key.key_id).unwrap();

    // A generator that starts again repeats the name.
    let second = Assembly::new().shared_provider(provider.clone());
    second.bindings.put(record.clone());
    let bindings = second.bindings.clone();
    let store = second.store();
    assert_eq!(create(&store).await.unwrap_err().reason(), Reason::Internal);
    assert_eq!(bindings.whole(&key.key_id), Some(record));
    assert_eq!(provider.list().unwrap(), [key.key_id]);
    store.sign(&PEER, &key.key_id, samples::connection_expiring_in(60)).await.unwrap();
}

#[tokio::test]
async fn without_randomness_nothing_is_created() {
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().shared_provider(provider.clone()).random(BrokenRandom);
    leaves_nothing(assembly, &*provider, Reason::Internal).await;
}

#[tokio::test]
async fn a_panic_in_the_provider_is_undone() {
    let provider = Arc::new(MemoryProvider::hardware());
    let panics = |moment: Moment, operation: ProviderOperation| {
        let is_made = (moment, operation) == (Moment::After, ProviderOperation::Create);
        assert!(!is_made, "the platform's library has a bug");
        Ok::<(), ProviderError>(())
    };
    let assembly = Assembly::new().provider(hooked(&provider, panics));
    leaves_nothing(assembly, &*provider, Reason::Internal).await;
}
