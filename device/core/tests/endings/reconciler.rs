//! One reconciler removes what was deleted and what was not completed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use device_key::{
    DeviceKeyProvider as _, DeviceKeyStore, Parts, ProviderError, ProviderErrorKind, StoreLimits,
};
use device_key_testing::{
    Assembly, BindingOperation, Event, Faults, FixedClock, Gate, IntoProviderError as _,
    MemoryBindings, MemoryProvider, Moment, ProviderOperation, SequenceRandom, samples,
    unavailable,
};
use device_key_types::Reason;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{DEADLINE, create, delete, hooked, listed, settled, sign};

fn failed() -> ProviderError {
    ProviderErrorKind::Failed.into_error()
}

/// A store on these bindings, as another process would have.
fn other_process(bindings: &Arc<MemoryBindings>, provider: MemoryProvider) -> DeviceKeyStore {
    DeviceKeyStore::new(Parts {
        limits: StoreLimits::default(),
        policy: samples::policy(),
        clock: Arc::new(FixedClock::at(samples::NOW)),
        random: Arc::new(SequenceRandom::default()),
        bindings: bindings.clone(),
        providers: vec![Arc::new(provider)],
    })
}

#[tokio::test]
async fn a_deletion_is_answered_though_the_provider_is_stalled_and_its_queue_is_full() {
    let gate = Gate::opened(ProviderOperation::Sign);
    let provider = Arc::new(MemoryProvider::hardware());
    let limits = StoreLimits { waiting_per_owner: 2, ..StoreLimits::default() };
    let assembly = Assembly::new().limits(limits).provider(hooked(&provider, gate.hook()));
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let (doomed, kept) = (create(&store).await.unwrap(), create(&store).await.unwrap());
    gate.close();
    let mut signing = JoinSet::new();
    for _ in 0..4 {
        let store = store.clone();
        signing.spawn(async move { sign(&store, &kept).await });
    }
    let refused = timeout(DEADLINE, signing.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(refused, Err(Reason::Overloaded), "the queue is full");

    assert_eq!(delete(&store, &doomed).await, Ok(()));
    assert_eq!(provider.list().unwrap().len(), 2, "the material is still there");
    assert_eq!(listed(&store).await, [kept]);
    let under_way = delete(&store, &doomed).await;
    gate.open();
    signing.join_all().await;
    assert_eq!(settled(&store).await, 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![kept], vec![kept]));
    assert_eq!(under_way, delete(&store, &doomed).await, "a retry answers as after the end");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_changes_no_answer_and_is_tried_again() {
    let busy = Faults::nth(ProviderOperation::Delete, 1, || ProviderErrorKind::Busy.into_error());
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().provider(hooked(&provider, busy));
    let (recorder, bindings) = (assembly.recorder.clone(), assembly.bindings.clone());
    let store = assembly.store();
    let key = create(&store).await.unwrap();
    assert_eq!(delete(&store, &key).await, Ok(()));
    assert_eq!(settled(&store).await, 1);
    assert_eq!(sign(&store, &key).await, Err(Reason::KeyNotFound));
    assert_eq!(delete(&store, &key).await, Err(Reason::KeyNotFound));
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![key], vec![key]));
    // Nobody asks, and the clock of the test goes on while everything waits.
    until(|| bindings.key_ids().is_empty()).await;
    assert_eq!(provider.list().unwrap(), []);
    let events = recorder.take();
    let tried = events.iter().filter(|event| **event == Event::Provider(ProviderOperation::Delete));
    assert_eq!(tried.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn attempts_become_rare_and_a_key_that_stays_stops_no_other() {
    let provider = Arc::new(MemoryProvider::hardware());
    let attempts = Arc::new(AtomicUsize::new(0));
    let stubborn = {
        let attempts = attempts.clone();
        // Only the deletion of the first key fails, and it always fails.
        let is_first = AtomicUsize::new(0);
        move |moment: Moment, operation: ProviderOperation| {
            if (moment, operation) != (Moment::Before, ProviderOperation::Delete) {
                return Ok(());
            }
            if is_first.fetch_add(1, Ordering::SeqCst) == 1 {
                return Ok(());
            }
            attempts.fetch_add(1, Ordering::SeqCst);
            Err(failed())
        }
    };
    let assembly = Assembly::new().provider(hooked(&provider, stubborn));
    let store = assembly.store();
    let (first, second) = (create(&store).await.unwrap(), create(&store).await.unwrap());
    assert_eq!(delete(&store, &first).await, Ok(()));
    assert_eq!(settled(&store).await, 1);
    assert_eq!(delete(&store, &second).await, Ok(()));
    assert_eq!(settled(&store).await, 1);
    assert_eq!(provider.list().unwrap(), [first], "the second key did not wait for the first");
    assert_eq!(attempts.load(Ordering::SeqCst), 1, "and the first was not tried again at once");
    tokio::time::sleep(Duration::from_hours(1)).await;
    let tried = attempts.load(Ordering::SeqCst);
    assert!((12..30).contains(&tried), "{tried} attempts in an hour");
}

#[tokio::test]
async fn a_key_that_is_being_deleted_leaves_the_quota() {
    let gate = Gate::opened(ProviderOperation::Delete);
    let provider = Arc::new(MemoryProvider::hardware().concurrency(2));
    let limits = StoreLimits { keys_per_owner: 1, ..StoreLimits::default() };
    let store = Assembly::new().limits(limits).provider(hooked(&provider, gate.hook())).store();
    let first = create(&store).await.unwrap();
    assert_eq!(create(&store).await, Err(Reason::QuotaExceeded));
    gate.close();
    delete(&store, &first).await.unwrap();
    let second = create(&store).await.unwrap();
    assert_eq!(listed(&store).await, [second]);
    gate.open();
    assert_eq!(settled(&store).await, 0);
    assert_eq!(provider.list().unwrap(), [second]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_removed_or_listed_is_tried_again() {
    for operation in [BindingOperation::Remove, BindingOperation::Abandoned] {
        let provider = Arc::new(MemoryProvider::hardware());
        let assembly = Assembly::new().shared_provider(provider.clone());
        let bindings = assembly.bindings.clone();
        let store = assembly.bindings_hook(Faults::nth(operation, 1, unavailable)).store();
        let key = create(&store).await.unwrap();
        delete(&store, &key).await.unwrap();
        assert_eq!(settled(&store).await, 1, "{operation:?}");
        assert_eq!(bindings.key_ids(), [key]);
        until(|| bindings.key_ids().is_empty()).await;
        assert_eq!(provider.list().unwrap(), []);
    }
}

#[tokio::test]
async fn recovery_leaves_complete_keys_and_keys_of_live_requests() {
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
    assert_eq!(store.recover().await.unwrap(), 0);
    gate.open();
    for key in [whole, creating.await.unwrap().unwrap()] {
        assert_eq!(sign(&store, &key).await, Ok(()));
    }
}

#[tokio::test]
async fn a_start_removes_what_a_crash_left_as_far_as_it_has_the_provider() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().provider(hooked(&provider, gate.hook()));
    let bindings = assembly.bindings.clone();
    let crashing = assembly.store();
    let creating = tokio::spawn(async move { create(&crashing).await });
    gate.arrived(1).await;
    bindings.crash();
    let without = other_process(&bindings, MemoryProvider::hardware().named("another"));
    assert_eq!(without.recover().await.unwrap(), 1);
    assert_eq!(bindings.key_ids(), [SequenceRandom::key_id(1)]);
    let next = other_process(&bindings, MemoryProvider::hardware());
    assert_eq!(next.recover().await.unwrap(), 0);
    assert_eq!(bindings.key_ids(), []);
    gate.open();
    assert_eq!(creating.await.unwrap(), Err(Reason::Internal), "it was not begun");
}

#[test]
fn a_deletion_that_ends_with_its_runtime_is_finished_on_the_next() {
    let gate = Gate::closed(ProviderOperation::Delete);
    let provider = Arc::new(MemoryProvider::hardware().concurrency(2));
    let assembly = Assembly::new().provider(hooked(&provider, gate.hook()));
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let key = create(&store).await.unwrap();
        delete(&store, &key).await.unwrap();
        gate.arrived(1).await;
    });
    first.shutdown_background();
    gate.open();
    assert_eq!(runtime().block_on(settled(&store)), 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));
}

/// Waits for what the reconciler does. Only a failing test waits for the deadline.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_hours(1), waiting).await.expect("the reconciler goes on");
}
