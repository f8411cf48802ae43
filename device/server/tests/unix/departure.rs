//! A client that leaves while its key is being created leaves no key.

use std::sync::Arc;
use std::time::Duration;

use device_key::DeviceKeyProvider as _;
use device_key_server::ServerLimits;
use device_key_testing::{Gate, HookedProvider, MemoryProvider, ProviderOperation};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE, Service, binding, initialize};

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// It closes its socket.
    Closes,
    /// It sends nothing more, and closes its socket later.
    ShutsDownFirst,
}

/// Asserts that no key is left of a creation whose client goes while the provider works.
async fn a_client_that_goes_leaves_nothing(going: Going) {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = Arc::new(MemoryProvider::hardware());
    let removals = Gate::opened(ProviderOperation::Delete);
    let hooked = HookedProvider::shared(provider.clone()).with(gate.hook()).with(removals.hook());
    let service = Service::start(ServerLimits::default(), hooked);
    let mut stream = UnixStream::connect(service.path()).await.unwrap();
    for request in [
        json!({"id": 1, "method": "initialize", "params": initialize()}),
        json!({"id": 2, "method": "device/key/create", "params": binding()}),
    ] {
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }
    gate.arrived(1).await;
    if going == Going::ShutsDownFirst {
        stream.shutdown().await.unwrap();
        let mut other = service.initialized().await;
        other.call("device/key/list", &json!({})).await;
    }
    drop(stream);
    // The connection ends although the request is not done.
    let mut watcher = service.initialized().await;
    service.server.stop();
    drop(watcher.receive().await);
    timeout(PATIENCE, service.server.stopped()).await.expect("no connection is left");
    gate.open();
    removals.arrived(1).await;
    let removed = async {
        while !provider.list().unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, removed).await.expect("the key is removed");
}

#[tokio::test]
async fn a_client_that_closes_its_socket_leaves_no_key() {
    a_client_that_goes_leaves_nothing(Going::Closes).await;
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_and_then_closes_leaves_no_key() {
    a_client_that_goes_leaves_nothing(Going::ShutsDownFirst).await;
}

/// A client may shut down its sending and still wait for its answers.
#[tokio::test]
async fn a_client_that_only_sends_nothing_more_gets_its_key() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let service = Service::start(ServerLimits::default(), provider);
    let mut stream = UnixStream::connect(service.path()).await.unwrap();
    for request in [
        json!({"id": 1, "method": "initialize", "params": initialize()}),
        json!({"id": 2, "method": "device/key/create", "params": binding()}),
    ] {
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let mut client = Client::over(stream);
    assert!(client.receive().await.unwrap()["result"].is_object());
    gate.arrived(1).await;
    sleep(Duration::from_millis(200)).await;
    gate.open();
    assert!(client.receive().await.unwrap()["result"]["keyId"].is_string());
}
