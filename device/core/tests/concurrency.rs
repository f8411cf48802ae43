//! A slow provider delays only its own callers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot set up fails the test"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use device_key::{DeviceKeyStore, LocalPeer, ProviderError};
use device_key_testing::ProviderOperation::{self, Sign};
use device_key_testing::{Assembly, Gate, HookedProvider, MemoryProvider, Moment, samples};
use device_key_types::{DeviceKeyId, ProtectionPolicy, Reason, SignPayload};
use tokio::task::JoinSet;
use tokio::time::timeout;

const PEER: LocalPeer = samples::peer(1000);
/// How many operations may wait for one provider.
const WAITING: usize = 128;
/// How long a test waits for a refusal. Only a failing test waits so long.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(20);

struct Blocked {
    store: DeviceKeyStore,
    gate: Gate<ProviderOperation>,
    key_id: DeviceKeyId,
    signing: JoinSet<Result<(), Reason>>,
}

impl Blocked {
    /// Starts one signature, which blocks. The provider has room for one operation.
    async fn new(assembly: Assembly) -> Self {
        let gate = Gate::opened(Sign);
        let hardware = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
        let store = assembly.provider(hardware).store();
        let policy = ProtectionPolicy::HardwareOnly;
        let key_id = store.create(&PEER, samples::binding(), policy).await.unwrap().key_id;
        gate.close();
        let mut blocked = Self { store, gate, key_id, signing: JoinSet::new() };
        blocked.sign(samples::connection_expiring_in(900));
        blocked.gate.arrived(2).await;
        blocked
    }

    fn sign(&mut self, payload: SignPayload) {
        let (store, key_id) = (self.store.clone(), self.key_id);
        self.signing.spawn(async move {
            store.sign(&PEER, &key_id, payload).await.map(drop).map_err(|error| error.reason())
        });
    }

    /// Fills the queue. Sends one request more than fits; once it is refused, all others wait.
    async fn fill(&mut self) {
        for _ in 0..=WAITING {
            self.sign(samples::connection_expiring_in(60));
        }
        let refused = timeout(REFUSAL_DEADLINE, self.signing.join_next()).await;
        let refused =
            refused.expect("one request is refused although none is done").unwrap().unwrap();
        assert_eq!(refused, Err(Reason::Overloaded));
    }

    /// Unblocks the provider, and returns the outcomes of the first signature and of the later
    /// ones.
    async fn finish(&mut self) -> Vec<Result<(), Reason>> {
        self.gate.open();
        let mut outcomes = Vec::new();
        while let Some(outcome) = self.signing.join_next().await {
            outcomes.push(outcome.unwrap());
        }
        outcomes
    }
}

#[tokio::test]
async fn a_blocked_provider_delays_neither_public_nor_another_provider() {
    let mut blocked = Blocked::new(Assembly::new().provider(MemoryProvider::os_protected())).await;
    let store = &blocked.store;
    assert_eq!(store.public(&PEER, &blocked.key_id).await.unwrap().key_id, blocked.key_id);
    let policy = ProtectionPolicy::AllowOsProtectedNonextractable;
    let other = store.create(&PEER, samples::binding(), policy).await.unwrap();
    assert!(!other.protection_class.is_hardware(), "the second provider made this key");
    store.sign(&PEER, &other.key_id, samples::connection_expiring_in(60)).await.unwrap();
    let unknown = device_key_testing::SequenceRandom::key_id(99);
    let missing = store.sign(&PEER, &unknown, samples::connection_expiring_in(60)).await;
    assert_eq!(missing.unwrap_err().reason(), Reason::KeyNotFound);
    assert_eq!(blocked.gate.calls(), 2, "the first signature is still being made");
    assert_eq!(blocked.finish().await, [Ok(())]);
}

#[tokio::test]
async fn too_many_waiting_requests_are_refused_and_the_others_are_served() {
    let mut blocked = Blocked::new(Assembly::new()).await;
    blocked.fill().await;
    let public = blocked.store.public(&PEER, &blocked.key_id).await.unwrap();
    assert_eq!(public.key_id, blocked.key_id, "public does not wait for the provider");
    let outcomes = blocked.finish().await;
    assert_eq!(outcomes.len(), WAITING + 1);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(blocked.gate.calls(), WAITING + 2);
}

#[tokio::test]
async fn a_statement_that_expires_while_waiting_never_reaches_the_provider() {
    let assembly = Assembly::new();
    let clock = assembly.clock.clone();
    let mut blocked = Blocked::new(assembly).await;
    blocked.fill().await;
    clock.advance(60);
    let outcomes = blocked.finish().await;
    let expired = outcomes.iter().filter(|outcome| **outcome == Err(Reason::Expired)).count();
    assert_eq!((expired, outcomes.len()), (WAITING, WAITING + 1));
    assert_eq!(blocked.gate.calls(), 2, "the self-test and the first signature");
}

#[tokio::test]
async fn a_key_deleted_while_requests_wait_is_not_used_again() {
    let assembly = Assembly::new();
    let bindings = assembly.bindings.clone();
    let mut blocked = Blocked::new(assembly).await;
    blocked.fill().await;
    bindings.forget(&blocked.key_id);
    let outcomes = blocked.finish().await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(Reason::KeyNotFound)));
    assert_eq!(blocked.gate.calls(), 2);
}

/// At most as many operations run at a time as the platform can run.
#[tokio::test]
async fn as_many_operations_run_at_a_time_as_the_platform_can_run() {
    let gate = Gate::opened(Sign);
    let provider = MemoryProvider::hardware().concurrency(3);
    let store = Assembly::new().provider(HookedProvider::new(provider).with(gate.hook())).store();
    let policy = ProtectionPolicy::HardwareOnly;
    let key_id = store.create(&PEER, samples::binding(), policy).await.unwrap().key_id;
    gate.close();
    let signing = JoinSet::new();
    let mut blocked = Blocked { store, gate, key_id, signing };
    for _ in 0..3 {
        blocked.sign(samples::connection_expiring_in(60));
    }
    // All three operations reach the platform before one of them ends.
    blocked.gate.arrived(4).await;
    blocked.fill().await;
    assert_eq!(blocked.gate.calls(), 4, "and no more than three");
    let outcomes = blocked.finish().await;
    assert_eq!(outcomes.len(), WAITING + 3);
    assert!(outcomes.iter().all(Result::is_ok));
}

/// The bound holds for all operations together. A creation calls the platform several times.
#[tokio::test]
async fn creations_and_signatures_share_the_room() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let count = {
        let most = Arc::clone(&most);
        move |moment: Moment, operation: ProviderOperation| {
            // The provider answers `presence` from memory.
            if operation != ProviderOperation::Presence {
                match moment {
                    Moment::Before => {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::thread::yield_now();
                    }
                    Moment::After => {
                        running.fetch_sub(1, SeqCst);
                    }
                }
            }
            Ok::<(), ProviderError>(())
        }
    };
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(count);
    let store = Assembly::new().provider(provider).store();
    let mut creating = JoinSet::new();
    for _ in 0..40 {
        let store = store.clone();
        creating.spawn(async move {
            let policy = ProtectionPolicy::HardwareOnly;
            let key = store.create(&PEER, samples::binding(), policy).await.unwrap();
            store.sign(&PEER, &key.key_id, samples::connection_expiring_in(60)).await.unwrap();
        });
    }
    creating.join_all().await;
    assert_eq!(most.load(SeqCst), 1);
}
