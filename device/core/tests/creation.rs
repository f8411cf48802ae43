//! A key is created completely or not at all, and recovery removes what a crash leaves.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::Arc;
use std::time::Duration;

use device_key::{
    DeviceKeyError, DeviceKeyProvider, DeviceKeyStore, LocalPeer, ProviderError, ProviderErrorKind,
    Recovery,
};
use device_key_testing::{
    Assembly, BindingOperation, BrokenRandom, Corruption, Event, Faults, Gate, HookedProvider,
    IntoProviderError as _, MemoryProvider, Moment, ProviderOperation, Recorder, SequenceRandom,
    samples, unavailable,
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
    assert_eq!(create(&assembly.store()).await.unwrap_err().reason(), reason);
    until(|| bindings.key_ids().is_empty()).await;
    assert_eq!(provider.list().unwrap(), [], "the key material is removed before the record");
}

/// Waits until undoing a creation has reached this operation so many times.
async fn undoing(recorder: &Recorder, event: Event, times: usize) {
    let mut seen = Vec::new();
    let waiting = async {
        while seen.iter().filter(|other| **other == event).count() < times {
            seen.extend(recorder.take());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

/// Waits for what the store does after its answer. Only a failing test waits for the deadline.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
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

    let answer_lost = Faults::always(BindingOperation::Complete, unavailable).after_the_work();
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(answer_lost);
    leaves_nothing(assembly, &*provider, Reason::StateUnavailable).await;
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
    until(|| provider.list().unwrap().is_empty()).await;
}

#[tokio::test]
async fn key_material_is_removed_before_its_record() {
    let provider = HookedProvider::new(MemoryProvider::hardware())
        .with(Faults::always(ProviderOperation::Sign, failed));
    let assembly = Assembly::new().provider(provider);
    let (recorder, bindings) = (assembly.recorder.clone(), assembly.bindings.clone());
    create(&assembly.store()).await.unwrap_err();
    until(|| bindings.key_ids().is_empty()).await;
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
async fn a_creation_that_could_not_be_undone_is_recovered_at_the_next_start() {
    let provider = Arc::new(MemoryProvider::hardware());
    let stubborn = hooked(&provider, Faults::always(ProviderOperation::Sign, failed))
        .with(Faults::nth(ProviderOperation::Delete, 1, failed));
    let assembly = Assembly::new().provider(stubborn);
    let (recorder, bindings) = (assembly.recorder.clone(), assembly.bindings.clone());
    let store = assembly.store();
    create(&store).await.unwrap_err();
    undoing(&recorder, Event::Provider(ProviderOperation::Delete), 1).await;
    let left = [SequenceRandom::key_id(1)];
    assert_eq!(provider.list().unwrap(), left);
    assert_eq!(bindings.key_ids(), left, "the record leads to the key material");
    let hidden = store.public(&PEER, &left[0]).await.unwrap_err();
    assert_eq!(hidden.reason(), Reason::KeyNotFound, "but no caller sees the key");

    assert_eq!(
        store.recover().await.unwrap(),
        Recovery::default(),
        "the creating process is alive"
    );
    bindings.crash();
    assert_eq!(store.recover().await.unwrap(), Recovery { removed: 1, left: 0 });
    assert_eq!(provider.list().unwrap(), []);
    assert_eq!(bindings.key_ids(), []);
}

#[tokio::test]
async fn a_record_that_could_not_be_removed_is_recovered_too() {
    let provider = Arc::new(MemoryProvider::hardware());
    let failing = hooked(&provider, Faults::always(ProviderOperation::Create, failed));
    let assembly = Assembly::new().provider(failing).bindings_hook(Faults::nth(
        BindingOperation::Remove,
        1,
        unavailable,
    ));
    let (recorder, bindings) = (assembly.recorder.clone(), assembly.bindings.clone());
    let store = assembly.store();
    create(&store).await.unwrap_err();
    undoing(&recorder, Event::Bindings(BindingOperation::Remove), 1).await;
    assert_eq!(bindings.key_ids(), [SequenceRandom::key_id(1)]);
    bindings.crash();
    assert_eq!(store.recover().await.unwrap(), Recovery { removed: 1, left: 0 });
    assert_eq!(bindings.key_ids(), []);
}

#[tokio::test]
async fn recovery_leaves_complete_keys_and_keys_of_live_processes() {
    let gate = Gate::opened(ProviderOperation::Create);
    let provider = Arc::new(MemoryProvider::hardware().concurrency(2));
    let assembly = Assembly::new().provider(hooked(&provider, gate.hook()));
    let store = assembly.store();
    let whole = create(&store).await.unwrap();
    gate.close();
    let creating = tokio::spawn({
        let store = store.clone();
        async move { create(&store).await }
    });
    gate.arrived(2).await;
    assert_eq!(store.recover().await.unwrap(), Recovery::default());
    gate.open();
    let begun = creating.await.unwrap().unwrap();
    for key in [whole, begun] {
        store.sign(&PEER, &key.key_id, samples::connection_expiring_in(60)).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_recovered_waits_and_does_not_stop_the_others() {
    // Both creations fail and neither is undone. Then the first deletion fails again.
    let provider = Arc::new(MemoryProvider::hardware());
    let deletions = std::sync::atomic::AtomicUsize::new(0);
    let three_failures = move |moment: Moment, operation: ProviderOperation| {
        let is_deletion = moment == Moment::Before && operation == ProviderOperation::Delete;
        let failures = std::sync::atomic::Ordering::SeqCst;
        if is_deletion && deletions.fetch_add(1, failures) < 3 { Err(failed()) } else { Ok(()) }
    };
    let stubborn =
        hooked(&provider, Faults::always(ProviderOperation::Sign, failed)).with(three_failures);
    let assembly = Assembly::new().provider(stubborn);
    let (recorder, bindings) = (assembly.recorder.clone(), assembly.bindings.clone());
    let store = assembly.store();
    create(&store).await.unwrap_err();
    create(&store).await.unwrap_err();
    undoing(&recorder, Event::Provider(ProviderOperation::Delete), 2).await;
    bindings.crash();
    assert_eq!(store.recover().await.unwrap(), Recovery { removed: 1, left: 1 });
    assert_eq!(provider.list().unwrap(), bindings.key_ids());
    assert_eq!(store.recover().await.unwrap(), Recovery { removed: 1, left: 0 });
    assert_eq!(bindings.key_ids(), []);
}

#[tokio::test]
async fn a_key_of_an_absent_provider_waits_for_it() {
    let first = Assembly::new().provider(
        HookedProvider::new(MemoryProvider::hardware())
            .with(Faults::always(ProviderOperation::Sign, failed))
            .with(Faults::always(ProviderOperation::Delete, failed)),
    );
    let (recorder, bindings) = (first.recorder.clone(), first.bindings.clone());
    create(&first.store()).await.unwrap_err();
    undoing(&recorder, Event::Provider(ProviderOperation::Delete), 1).await;
    bindings.crash();

    let other = MemoryProvider::hardware().named("another");
    let without = DeviceKeyStore::new(device_key::Parts {
        limits: device_key::StoreLimits::default(),
        policy: device_key::RemoteControlPolicy::default(),
        clock: Arc::new(device_key_testing::FixedClock::at(samples::NOW)),
        random: Arc::new(device_key_types::OsRandom),
        bindings: bindings.clone(),
        providers: vec![Arc::new(other)],
    });
    assert_eq!(without.recover().await.unwrap(), Recovery { removed: 0, left: 1 });
    assert_eq!(bindings.key_ids(), [SequenceRandom::key_id(1)]);
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
