//! No operation keeps the turn of one resource while it waits for another.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot set up fails the test"
)]

use std::time::Duration;

use device_key::{DeviceKeyStore, LocalPeer, Page};
use device_key_testing::BindingOperation::{self, Begin, BeginDeletion, Complete, Remove};
use device_key_testing::{Assembly, Gate, MemoryProvider, samples};
use device_key_types::{DeviceKeyId, ProtectionPolicy};
use tokio::task::JoinSet;
use tokio::time::timeout;

const WRITER: LocalPeer = samples::peer(1000);
const OTHER: LocalPeer = samples::peer(1001);
const ALL: Page = Page { account_user_id: None, client_id: None, after: None, limit: 100 };
/// More than the number of look-ups that run at a time.
const WRITES: usize = 8;
/// How long a test waits for an answer. Only a failing test waits this long.
const DEADLINE: Duration = Duration::from_secs(5);

async fn create(store: &DeviceKeyStore, peer: &LocalPeer) -> DeviceKeyId {
    let created = store.create(peer, samples::binding(), ProtectionPolicy::HardwareOnly).await;
    created.unwrap().key_id
}

/// Stalls one kind of write, which several operations of one user wait for, and asserts that
/// another user does everything that needs no write.
async fn a_stalled_write_delays_nobody_else(operation: BindingOperation) {
    let gate = Gate::opened(operation);
    let assembly = Assembly::new().provider(MemoryProvider::hardware()).bindings_hook(gate.hook());
    let store = assembly.store();
    let own = create(&store, &OTHER).await;
    let mut keys = Vec::new();
    for _ in 0..WRITES {
        keys.push(create(&store, &WRITER).await);
    }
    let before = gate.calls();
    gate.close();
    let mut writing = JoinSet::new();
    for key_id in keys {
        let store = store.clone();
        writing.spawn(async move {
            match operation {
                Begin | Complete => drop(create(&store, &WRITER).await),
                _ => store.delete(&WRITER, &key_id).await.unwrap(),
            }
        });
    }
    gate.arrived(before + 1).await;
    let meanwhile = async {
        store.sign(&OTHER, &own, samples::connection_expiring_in(60)).await.unwrap();
        store.public(&OTHER, &own).await.unwrap();
        assert_eq!(store.list(&OTHER, ALL).await.unwrap().keys.len(), 1);
    };
    timeout(DEADLINE, meanwhile).await.expect("other users do not wait for the write");
    gate.open();
    timeout(DEADLINE, writing.join_all()).await.expect("the writes go on");
}

#[tokio::test]
async fn a_begin_that_waits_holds_no_turn_of_a_provider() {
    a_stalled_write_delays_nobody_else(Begin).await;
}

#[tokio::test]
async fn a_complete_that_waits_holds_no_turn_of_a_provider() {
    a_stalled_write_delays_nobody_else(Complete).await;
}

#[tokio::test]
async fn a_deletion_that_waits_holds_no_turn_for_look_ups() {
    a_stalled_write_delays_nobody_else(BeginDeletion).await;
}

#[tokio::test]
async fn a_removal_that_waits_holds_no_turn_of_a_provider() {
    a_stalled_write_delays_nobody_else(Remove).await;
}
