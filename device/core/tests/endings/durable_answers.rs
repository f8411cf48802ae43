//! The answer to a creation or a deletion says what is durable, whenever its deadline passes and
//! whenever its caller leaves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_key::{DeviceKeyProvider as _, StoreLimits};
use device_key_testing::{
    Assembly, BindingOperation, Faults, Gate, MemoryProvider, Moment, ProviderOperation, samples,
    unavailable,
};
use device_key_types::{DeviceKeyId, ProtectionPolicy, Reason};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{DEADLINE, PEER, create, delete, hooked, listed, settled, sign};

/// The time limit of an operation that is to time out.
const SHORT: Duration = Duration::from_millis(50);

fn short() -> StoreLimits {
    StoreLimits { operation: SHORT, ..StoreLimits::default() }
}

#[tokio::test]
async fn a_deletion_that_timed_out_before_it_was_durable_does_not_happen() {
    let gate = Gate::opened(BindingOperation::Begin);
    let assembly = Assembly::new().limits(short()).provider(MemoryProvider::hardware());
    let store = assembly.bindings_hook(gate.hook()).store();
    let key = create(&store).await.unwrap();
    gate.close();
    // A creation has the turn of writes.
    let creating = tokio::spawn({
        let store = store.clone();
        async move { create(&store).await }
    });
    gate.arrived(2).await;
    assert_eq!(delete(&store, &key).await, Err(Reason::Timeout));
    gate.open();
    assert_eq!(creating.await.unwrap(), Err(Reason::Timeout));
    assert_eq!(settled(&store).await, 0);
    assert_eq!(listed(&store).await, [key]);
    assert_eq!(sign(&store, &key).await, Ok(()));
}

#[tokio::test]
async fn a_deletion_whose_deadline_passes_while_it_becomes_durable_says_what_became_durable() {
    let gate = Gate::closed(BindingOperation::BeginDeletion);
    let assembly = Assembly::new().limits(short()).provider(MemoryProvider::hardware());
    let store = assembly.bindings_hook(gate.hook()).store();
    let key = create(&store).await.unwrap();
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { delete(&store, &key).await }
    });
    gate.arrived(1).await;
    tokio::time::sleep(2 * SHORT).await;
    gate.open();
    assert_eq!(deleting.await.unwrap(), Ok(()));
    assert_eq!(listed(&store).await, []);
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_says_what_is_durable() {
    let lost = Faults::always(BindingOperation::BeginDeletion, unavailable).after_the_work();
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let store = assembly.bindings_hook(lost).store();
    let key = create(&store).await.unwrap();
    assert_eq!(delete(&store, &key).await, Ok(()));
    let fails = Faults::always(BindingOperation::BeginDeletion, unavailable);
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let store = assembly.bindings_hook(fails).store();
    let key = create(&store).await.unwrap();
    assert_eq!(delete(&store, &key).await, Err(Reason::StateUnavailable));
    assert_eq!(listed(&store).await, [key]);
}

/// Holds a creation at one step until its deadline has passed.
async fn a_creation_that_times_out_leaves_nothing(
    provider: &Arc<MemoryProvider>,
    assembly: Assembly,
    open: impl FnOnce(),
) {
    let bindings = assembly.bindings.clone();
    let store = assembly.limits(short()).store();
    assert_eq!(create(&store).await, Err(Reason::Timeout));
    assert_eq!(listed(&store).await, []);
    open();
    assert_eq!(settled(&store).await, 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));
    create(&store).await.expect("there is room again");
}

#[tokio::test]
async fn a_creation_that_times_out_at_any_step_is_undone() {
    for operation in
        [ProviderOperation::Availability, ProviderOperation::Create, ProviderOperation::Sign]
    {
        let (gate, provider) = (Gate::closed(operation), Arc::new(MemoryProvider::hardware()));
        let assembly = Assembly::new().provider(hooked(&provider, gate.hook()));
        a_creation_that_times_out_leaves_nothing(&provider, assembly, || gate.open()).await;
    }
    let (gate, provider) =
        (Gate::closed(BindingOperation::Begin), Arc::new(MemoryProvider::hardware()));
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(gate.hook());
    a_creation_that_times_out_leaves_nothing(&provider, assembly, || gate.open()).await;
}

#[tokio::test]
async fn a_creation_whose_deadline_passes_while_it_becomes_durable_says_what_became_durable() {
    let gate = Gate::closed(BindingOperation::Complete);
    let assembly = Assembly::new().limits(short()).provider(MemoryProvider::hardware());
    let store = assembly.bindings_hook(gate.hook()).store();
    let creating = tokio::spawn({
        let store = store.clone();
        async move { create(&store).await }
    });
    gate.arrived(1).await;
    tokio::time::sleep(2 * SHORT).await;
    gate.open();
    let key = creating.await.unwrap().expect("it is complete");
    assert_eq!((settled(&store).await, listed(&store).await), (0, vec![key]));
}

#[tokio::test]
async fn a_creation_that_nobody_waits_for_is_undone_unless_it_is_complete() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().provider(hooked(&provider, gate.hook()));
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let creating = tokio::spawn({
        let store = store.clone();
        async move { create(&store).await }
    });
    gate.arrived(1).await;
    creating.abort();
    creating.await.unwrap_err();
    assert_eq!(bindings.key_ids().len(), 1);
    gate.open();
    assert_eq!(settled(&store).await, 0);
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));

    let gate = Gate::closed(BindingOperation::Complete);
    let assembly = Assembly::new().shared_provider(provider.clone()).bindings_hook(gate.hook());
    let store = assembly.store();
    let creating = tokio::spawn({
        let store = store.clone();
        async move { create(&store).await }
    });
    gate.arrived(1).await;
    creating.abort();
    creating.await.unwrap_err();
    gate.open();
    assert_eq!(settled(&store).await, 0);
    assert_eq!(listed(&store).await, provider.list().unwrap(), "a complete key stays");
    assert_eq!(listed(&store).await.len(), 1);
}

/// The only blocking thread is busy when the creation wants to become durable.
#[test]
fn a_creation_that_nobody_waits_for_does_not_become_durable_later() {
    let (release, busy) = std::sync::mpsc::channel::<()>();
    let busy = Mutex::new(Some(busy));
    let occupy = move |moment: Moment, operation: ProviderOperation| {
        if (moment, operation) == (Moment::After, ProviderOperation::Sign)
            && let Some(busy) = busy.lock().unwrap().take()
        {
            Handle::current().spawn_blocking(move || busy.recv_timeout(DEADLINE));
        }
        Ok(())
    };
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().provider(hooked(&provider, occupy));
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        timeout(SHORT, create(&store)).await.unwrap_err();
        release.send(()).unwrap();
        assert_eq!(settled(&store).await, 0);
    });
    assert_eq!((provider.list().unwrap(), bindings.key_ids()), (vec![], vec![]));
}

#[tokio::test]
async fn a_caller_that_left_is_told_apart() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = Arc::new(MemoryProvider::hardware());
    let store = Assembly::new().provider(hooked(&provider, gate.hook())).store();
    let policy = ProtectionPolicy::HardwareOnly;
    let left = gate.arrived(1);
    let created = store.create_unless(left, &PEER, samples::binding(), policy).await;
    assert_eq!(created.unwrap_err().reason(), Reason::ClientLeft);
    gate.open();
    assert_eq!(settled(&store).await, 0);
    assert_eq!(provider.list().unwrap(), []);
}

/// The answer and the records agree, whenever the deadline passes.
#[tokio::test]
async fn a_deadline_at_any_moment_leaves_exactly_the_keys_that_were_answered() {
    let provider = Arc::new(MemoryProvider::hardware());
    let assembly = Assembly::new().shared_provider(provider.clone());
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let mut answered = BTreeSet::new();
    for step in 0..400_u64 {
        let policy = ProtectionPolicy::HardwareOnly;
        let left = tokio::time::sleep(Duration::from_micros(step * 5));
        let created = store.create_unless(left, &PEER, samples::binding(), policy).await;
        match created {
            Ok(key) => assert!(answered.insert(key.key_id)),
            Err(error) => assert_eq!(error.reason(), Reason::ClientLeft),
        }
    }
    assert_eq!(settled(&store).await, 0);
    let ids = |ids: Vec<DeviceKeyId>| ids.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(ids(bindings.key_ids()), answered);
    assert_eq!(ids(provider.list().unwrap()), answered);
}
