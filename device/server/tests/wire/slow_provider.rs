//! A provider that waits, for example for a prompt, delays only the requests for its own keys.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use device_key_server::AppServer;
use device_key_testing::{Gate, HookedProvider, MemoryProvider, ProviderOperation, samples};
use device_key_types::payload::Statement;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::client::{Client, reason, server};

fn sign_request(id: usize, key_id: &str) -> Value {
    let payload = json!({
        "type": Statement::Connection.as_str(),
        "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "audience": "remote_control_client_websocket",
        "sessionId": "s",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/wham/remote/control/client",
        "accountUserId": "a",
        "clientId": "c",
        "tokenSha256Base64url": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "tokenExpiresAt": samples::NOW.as_seconds() + 60,
        "scopes": ["remote_control_controller_websocket"],
    });
    json!({"id": id, "method": "device/key/sign", "params": {"keyId": key_id, "payload": payload}})
}

/// A server whose provider signs while the gate is open. The gate is open at first.
fn gated_server() -> (AppServer, Gate<ProviderOperation>) {
    let gate = Gate::opened(ProviderOperation::Sign);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let (server, _) = server(vec![Arc::new(provider)]);
    (server, gate)
}

#[tokio::test]
async fn other_requests_are_served_meanwhile_and_the_end_of_input_waits() {
    let (server, gate) = gated_server();
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("a", "c").await;
    gate.close();
    for id in 0..5 {
        client.send(format!("{}\n", sign_request(id, &key_id)).as_bytes()).await;
    }
    let public = client.call("device/key/public", json!({"keyId": key_id})).await;
    assert_eq!(public["result"]["keyId"], key_id.as_str());
    let mut other = Client::initialized(&server).await;
    let public = other.call("device/key/public", json!({"keyId": key_id})).await;
    assert_eq!(public["result"]["keyId"], key_id.as_str());

    let finishing = tokio::spawn(client.finish());
    tokio::task::yield_now().await;
    assert!(!finishing.is_finished(), "requests in flight are answered first");
    gate.open();
    let answers = finishing.await.unwrap();
    assert!(answers.iter().all(|answer| answer["result"]["signatureDerBase64"].is_string()));
    let ids: HashSet<u64> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!((answers.len(), ids), (5, (0..5).collect()), "each is answered once");
}

#[tokio::test]
async fn a_server_that_stops_waits_for_requests_in_process() {
    let (server, gate) = gated_server();
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("a", "c").await;
    gate.close();
    client.send(format!("{}\n", sign_request(1, &key_id)).as_bytes()).await;
    // The first call was the self-test of the new key.
    gate.arrived(2).await;
    server.stop();
    let late = client.call("device/key/public", json!({"keyId": key_id})).await;
    assert_eq!(reason(&late), "shutting_down");
    let early = timeout(Duration::from_millis(50), server.stopped()).await;
    assert!(early.is_err(), "a request is in flight");
    gate.open();
    assert!(client.receive().await["result"]["signatureDerBase64"].is_string());
    server.stopped().await;
    assert_eq!(client.finish().await, Vec::<Value>::new());
}

#[tokio::test]
async fn waiting_requests_are_bounded() {
    let (server, gate) = gated_server();
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("a", "c").await;
    gate.close();
    let sent = 600;
    let (mut requests, mut answers) = client.into_parts();
    let reading = tokio::spawn(async move {
        let mut all: Vec<Value> = Vec::new();
        while let Some(answer) = answers.next().await {
            all.push(answer);
        }
        all
    });
    for id in 0..sent {
        let line = format!("{}\n", sign_request(id, &key_id));
        requests.write_all(line.as_bytes()).await.unwrap();
    }
    gate.open();
    requests.shutdown().await.unwrap();
    let answers = reading.await.unwrap();
    let refused = answers.iter().filter(|answer| answer["error"].is_object());
    let refused: Vec<&str> = refused.map(reason).collect();
    assert_eq!(answers.len(), sent);
    assert!(refused.len() > 50 && refused.iter().all(|reason| *reason == "overloaded"));
    assert!(refused.len() < sent);
}

#[tokio::test]
async fn a_provider_that_panics_is_answered_as_an_internal_error() {
    let panics = |_, operation| {
        assert!(operation != ProviderOperation::Sign, "the platform's library has a bug");
        Ok(())
    };
    let provider = HookedProvider::new(MemoryProvider::os_protected()).with(panics);
    let (server, _) = server(vec![Arc::new(provider)]);
    let mut client = Client::initialized(&server).await;
    let params = json!({
        "accountUserId": "a", "clientId": "c",
        "protectionPolicy": "allow_os_protected_nonextractable",
    });
    let answer = client.call("device/key/create", params.clone()).await;
    assert_eq!((reason(&answer), &answer["error"]["code"]), ("internal", &json!(-32603)));
    let degraded = client.call("device/key/create", json!({"accountUserId": "a", "clientId": "c"}));
    let degraded = degraded.await;
    assert_eq!(reason(&degraded), "degraded_protection_not_allowed");
    assert_eq!(degraded["error"]["data"]["available"], json!(["os_protected_nonextractable"]));
}

#[tokio::test]
async fn without_a_provider_every_call_is_refused() {
    let (server, _) = server(Vec::new());
    let mut client = Client::initialized(&server).await;
    let unknown = "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (method, params) in [
        ("device/key/create", json!({"accountUserId": "a", "clientId": "c"})),
        ("device/key/public", json!({"keyId": unknown})),
        ("device/key/sign", sign_request(0, unknown)["params"].clone()),
    ] {
        assert_eq!(reason(&client.call(method, params).await), "hardware_unavailable", "{method}");
    }
}
