//! How the life of a key ends or does not begin: what is answered, and what the reconciler removes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot set up fails the test"
)]

mod durable_answers;
mod reconciler;

use std::sync::Arc;
use std::time::Duration;

use device_key::{DeviceKeyStore, LocalPeer, Page};
use device_key_testing::{Hook, HookedProvider, MemoryProvider, ProviderOperation, samples};
use device_key_types::{DeviceKeyId, ProtectionPolicy, Reason};
use tokio::time::timeout;

const PEER: LocalPeer = samples::peer(1000);
const ALL: Page = Page { account_user_id: None, client_id: None, after: None, limit: 100 };
/// How long a test waits for an answer. Only a failing test waits this long.
const DEADLINE: Duration = Duration::from_secs(10);

async fn create(store: &DeviceKeyStore) -> Result<DeviceKeyId, Reason> {
    let created = store.create(&PEER, samples::binding(), ProtectionPolicy::HardwareOnly).await;
    created.map(|key| key.key_id).map_err(|error| error.reason())
}

async fn delete(store: &DeviceKeyStore, key: &DeviceKeyId) -> Result<(), Reason> {
    let deleted = timeout(DEADLINE, store.delete(&PEER, key)).await.expect("it is answered");
    deleted.map_err(|error| error.reason())
}

async fn sign(store: &DeviceKeyStore, key: &DeviceKeyId) -> Result<(), Reason> {
    let payload = samples::connection_expiring_in(60);
    store.sign(&PEER, key, payload).await.map(drop).map_err(|error| error.reason())
}

async fn listed(store: &DeviceKeyStore) -> Vec<DeviceKeyId> {
    let page = store.list(&PEER, ALL).await.unwrap();
    page.keys.iter().map(|key| key.key_id).collect()
}

/// Waits until nothing more can be done, and returns how many keys are left to remove.
async fn settled(store: &DeviceKeyStore) -> usize {
    timeout(DEADLINE, store.settled()).await.expect("everything comes to its end")
}

fn hooked(
    provider: &Arc<MemoryProvider>,
    hook: impl Hook<ProviderOperation> + 'static,
) -> HookedProvider {
    HookedProvider::shared(provider.clone()).with(hook)
}
