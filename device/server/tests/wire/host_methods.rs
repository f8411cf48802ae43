//! A host's own methods: they get the same handshake and the same transport gate as `device/key/*`.

use std::sync::atomic::{AtomicUsize, Ordering};

use device_key::Peer;
use device_key_protocol::{Params, RpcError};
use device_key_server::{DuplicateMethod, Methods};
use serde_json::{Value, json};

use crate::client::{Client, initialize, memory, reason, server_with, try_server_with};

#[path = "../../examples/host_app_server.rs"]
#[expect(dead_code, unreachable_pub, reason = "a program of its own, included to be tested")]
mod example;

#[tokio::test]
async fn remote_peers_reach_no_local_method() {
    static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);
    let methods = Methods::new()
        .local("host/local", |_, params: Params| async move {
            LOOKED_AT.fetch_add(1, Ordering::SeqCst);
            params.read::<Value>()
        })
        .unwrap()
        .anywhere("host/health", |peer: Peer, _| async move {
            Ok::<_, RpcError>(json!({"transport": peer.transport()}))
        })
        .unwrap();
    let (server, _) = server_with(memory(), methods);
    let mut remote = Client::connect_as(&server, Peer::Remote);
    assert_eq!(reason(&remote.call("host/health", json!({})).await), "not_initialized");
    let answer = remote.exchange(&initialize()).await;
    assert_eq!(answer["result"]["codexHome"], "/");
    assert_eq!(answer["result"].get("deviceKey"), None);
    for method in [
        "device/key/create",
        "device/key/public",
        "device/key/sign",
        "device/key/list",
        "device/key/delete",
        "device/key/providers",
        "device/key/attestation/identity",
        "device/key/attestation/activate",
        "host/local",
    ] {
        // The params have no valid shape, which shows that they were not looked at.
        let answer = remote.call(method, json!("anything")).await;
        assert_eq!(reason(&answer), "transport_not_local", "{method}");
        assert_eq!(answer["error"]["code"], -32600);
    }
    assert_eq!(reason(&remote.call("host/none", json!({})).await), "method_not_found");
    let health = remote.call("host/health", json!({})).await;
    assert_eq!(health["result"], json!({"transport": "remote"}));
    assert_eq!(LOOKED_AT.load(Ordering::SeqCst), 0);

    let mut local = Client::initialized(&server).await;
    assert!(local.call("host/local", json!({})).await["result"].is_object());
    assert_eq!(LOOKED_AT.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_handler_that_panics_ends_only_its_request() {
    let methods = Methods::new()
        .local("host/panics", |_, _| async {
            assert!(std::hint::black_box(false), "a bug of the host");
            Ok::<_, RpcError>(())
        })
        .unwrap();
    let (server, _) = server_with(memory(), methods);
    let mut client = Client::initialized(&server).await;
    assert_eq!(reason(&client.call("host/panics", json!({})).await), "internal");
    client.create("a", "c").await;
}

#[test]
fn a_method_cannot_be_mounted_twice() {
    let method =
        |methods: Methods| methods.local("host/twice", |_, _| async { Ok::<_, RpcError>(()) });
    let once = method(Methods::new()).unwrap();
    assert_eq!(method(once).err(), Some(DuplicateMethod("host/twice")));
}

#[test]
fn device_key_methods_cannot_be_shadowed() {
    let shadow = Methods::new()
        .local("device/key/sign", |_, _| async { Ok::<_, RpcError>(json!("forged")) })
        .unwrap();
    assert_eq!(try_server_with(memory(), shadow).err(), Some(DuplicateMethod("device/key/sign")));
}

#[tokio::test]
async fn the_example_does_what_it_says() {
    let transcript = example::talk_to_host().await.unwrap();
    let by_id = |id: u64| transcript.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(by_id(1)["result"]["greeting"], "hello, example");
    assert!(by_id(2)["result"]["keyId"].as_str().unwrap().starts_with("dk_"));
}
