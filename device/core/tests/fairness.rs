//! Permits go round among users and among a user's connections, and no request waits for ever.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_key::{ConnectionId, DeviceKeyProvider as _, DeviceKeyStore, LocalPeer, StoreLimits};
use device_key_testing::ProviderOperation::{self, Create, Sign};
use device_key_testing::{Assembly, Gate, HookedProvider, MemoryProvider, samples};
use device_key_types::{DeviceKeyId, ProtectionPolicy, Reason};
use tokio::task::JoinSet;

const FLOOD: usize = 100;
const POLICY: ProtectionPolicy = ProtectionPolicy::HardwareOnly;

const fn peer(uid: u32, connection: u64) -> LocalPeer {
    samples::peer(uid).on_connection(ConnectionId::new(connection))
}

/// A provider whose one permit is taken, and the requests that were served afterwards, in order.
struct Crowd {
    store: DeviceKeyStore,
    gate: Gate<ProviderOperation>,
    served: Arc<Mutex<Vec<&'static str>>>,
    signing: JoinSet<Result<(), Reason>>,
}

impl Crowd {
    fn new(limits: StoreLimits) -> Self {
        let gate = Gate::opened(Sign);
        let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
        let store = Assembly::new().limits(limits).provider(provider).store();
        Self { store, gate, served: Arc::default(), signing: JoinSet::new() }
    }

    async fn key(&self, peer: LocalPeer) -> DeviceKeyId {
        self.store.create(&peer, samples::binding(), POLICY).await.unwrap().key_id
    }

    fn sign(&mut self, who: &'static str, peer: LocalPeer, key_id: DeviceKeyId) {
        let (store, served) = (self.store.clone(), Arc::clone(&self.served));
        self.signing.spawn(async move {
            let payload = samples::connection_expiring_in(60);
            let signed = store.sign(&peer, &key_id, payload).await;
            served.lock().unwrap().push(who);
            signed.map(drop).map_err(|error| error.reason())
        });
    }

    /// Takes the provider's one permit and keeps it until the gate is opened.
    async fn occupy(&mut self, peer: LocalPeer, key_id: DeviceKeyId) {
        self.gate.close();
        let calls = self.gate.calls();
        self.sign("first", peer, key_id);
        self.gate.arrived(calls + 1).await;
    }

    /// Waits until the requests that were sent are in the queue. This runtime has one thread, so
    /// once a later look-up is answered, all earlier requests are queued.
    async fn settle(&self, peer: LocalPeer, key_id: &DeviceKeyId) {
        for _ in 0..10 {
            self.store.public(&peer, key_id).await.unwrap();
        }
    }

    async fn finish(mut self) -> (Vec<&'static str>, Vec<Reason>) {
        self.gate.open();
        let mut refusals = Vec::new();
        while let Some(outcome) = self.signing.join_next().await {
            refusals.extend(outcome.unwrap().err());
        }
        (self.served.lock().unwrap().clone(), refusals)
    }
}

async fn position_of_newcomer(newcomer: LocalPeer) -> usize {
    let mut crowd = Crowd::new(StoreLimits::default());
    let flooding = peer(1000, 1);
    let (flooders, own) = (crowd.key(flooding).await, crowd.key(newcomer).await);
    crowd.occupy(flooding, flooders).await;
    for _ in 0..FLOOD {
        crowd.sign("flood", flooding, flooders);
    }
    crowd.settle(flooding, &flooders).await;
    crowd.sign("newcomer", newcomer, own);
    crowd.settle(newcomer, &own).await;
    let (served, refusals) = crowd.finish().await;
    assert_eq!((served.len(), refusals), (FLOOD + 2, vec![]));
    served.iter().position(|who| *who == "newcomer").unwrap()
}

#[tokio::test]
async fn a_flood_of_one_user_delays_another_user_by_one_operation() {
    let position = position_of_newcomer(peer(1001, 2)).await;
    // The running operation ends first, then one operation of the flood, then the newcomer's
    // operation. Two answers that are ready at once may be seen in either order.
    assert!(position <= 4, "served as number {position}");
}

#[tokio::test]
async fn a_flood_on_one_connection_delays_another_connection_of_the_user_by_one_operation() {
    let position = position_of_newcomer(peer(1000, 2)).await;
    assert!(position <= 4, "served as number {position}");
}

#[tokio::test]
async fn a_user_with_too_many_waiting_requests_is_refused_and_others_are_not() {
    let limits =
        StoreLimits { waiting_per_owner: 3, waiting_per_provider: 5, ..StoreLimits::default() };
    let mut crowd = Crowd::new(limits);
    let (first, second, third) = (peer(1, 1), peer(2, 2), peer(3, 3));
    let keys = [crowd.key(first).await, crowd.key(second).await, crowd.key(third).await];
    crowd.occupy(first, keys[0]).await;
    for _ in 0..5 {
        crowd.sign("first", first, keys[0]);
    }
    crowd.settle(first, &keys[0]).await;
    for _ in 0..2 {
        crowd.sign("second", second, keys[1]);
    }
    crowd.settle(second, &keys[1]).await;
    crowd.sign("third", third, keys[2]);
    crowd.settle(third, &keys[2]).await;
    let (served, refusals) = crowd.finish().await;
    assert_eq!(refusals, [Reason::Overloaded; 3]);
    let of = |name| served.iter().filter(|who| **who == name).count();
    assert_eq!((of("first"), of("second"), of("third")), (6, 2, 1), "answers, refusals included");
}

fn impatient() -> StoreLimits {
    StoreLimits { operation: Duration::from_millis(200), ..StoreLimits::default() }
}

#[tokio::test]
async fn a_request_that_times_out_is_told_so_and_frees_its_place() {
    let mut crowd = Crowd::new(impatient());
    let user = peer(1000, 1);
    let key = crowd.key(user).await;
    crowd.occupy(user, key).await;
    crowd.sign("waiting", user, key);
    for _ in 0..2 {
        assert_eq!(crowd.signing.join_next().await.unwrap().unwrap(), Err(Reason::Timeout));
    }
    let calls = crowd.gate.calls();
    crowd.gate.open();
    // The running operation ends. The request that timed out never begins.
    let payload = samples::connection_expiring_in(60);
    crowd.store.sign(&user, &key, payload).await.unwrap();
    assert_eq!(crowd.gate.calls(), calls + 1);
}

#[tokio::test]
async fn a_creation_that_timed_out_leaves_no_key() {
    let gate = Gate::closed(Create);
    let provider = Arc::new(MemoryProvider::hardware());
    let hooked = HookedProvider::shared(provider.clone()).with(gate.hook());
    let assembly = Assembly::new().limits(impatient()).provider(hooked);
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let user = peer(1000, 1);
    let refused = store.create(&user, samples::binding(), POLICY).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Timeout);
    gate.open();
    let key = store.create(&user, samples::binding(), POLICY).await.unwrap();
    let undone = async {
        while bindings.key_ids() != [key.key_id] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), undone).await.unwrap();
    assert_eq!(provider.list().unwrap(), [key.key_id]);
}
