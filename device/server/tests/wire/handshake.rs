//! The `initialize` handshake, and which JSON-RPC version answers state.

use serde_json::{Value, json};

use crate::client::{Client, initialize, memory, reason, server};

#[tokio::test]
async fn initialize_comes_first_and_once() {
    let (server, _) = server(memory());
    let mut client = Client::connect(&server);
    for method in ["device/key/public", "no/such/method"] {
        assert_eq!(reason(&client.call(method, json!({})).await), "not_initialized");
    }
    let wrong = json!({"id": 1, "method": "initialize", "params": {"clientInfo": ["a", "b"]}});
    assert_eq!(reason(&client.exchange(&wrong).await), "invalid_params");
    assert!(client.exchange(&initialize()).await["result"].is_object());
    assert_eq!(reason(&client.exchange(&initialize()).await), "already_initialized");
}

#[tokio::test]
async fn the_result_has_what_strict_clients_require() {
    let (server, _) = server(memory());
    let mut client = Client::connect(&server);
    let answer = client.exchange(&initialize()).await;
    assert_eq!(answer["id"], 0);
    let result = &answer["result"];
    for member in ["userAgent", "codexHome", "platformFamily", "platformOs"] {
        assert!(result[member].is_string(), "{member}");
    }
    assert_eq!(result["codexHome"], "/home/of/test");
    assert_eq!(result["serverInfo"], json!({"name": "test", "version": "1.2.3"}));
    assert_eq!(
        result["deviceKey"]["providers"],
        json!([{"name": "memory_tpm", "protectionClass": "hardware_tpm", "available": true}])
    );
}

#[tokio::test]
async fn optional_members_may_be_there_or_null() {
    let client_info = json!({"name": "n", "version": "v", "title": null});
    for params in [
        json!({"clientInfo": {"name": "n", "version": "v", "title": "t"}, "capabilities": null}),
        json!({"clientInfo": client_info, "capabilities": {}, "unknown": [1]}),
        json!({
            "clientInfo": client_info,
            "capabilities": {"experimentalApi": true, "optOutNotificationMethods": ["x"]},
        }),
    ] {
        let (server, _) = server(memory());
        let mut client = Client::connect(&server);
        let answer =
            client.exchange(&json!({"id": 0, "method": "initialize", "params": params})).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[tokio::test]
async fn answers_state_the_version_if_the_request_does() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let mut request = json!({"id": 5, "method": "device/key/public", "params": {"keyId": "x"}});
    assert_eq!(client.exchange(&request).await.get("jsonrpc"), None);
    client.send(b"{\n").await;
    assert_eq!(client.receive().await.get("jsonrpc"), None, "as the sender usually does");
    request["jsonrpc"] = json!("2.0");
    assert_eq!(client.exchange(&request).await["jsonrpc"], "2.0");
    client.send(b"{\n").await;
    let answer = client.receive().await;
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &Value::Null));
}

#[tokio::test]
async fn notifications_are_never_answered() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    client.send(b"{\"method\":\"initialized\"}\n{\"method\":\"device/key/create\"}\n\n").await;
    client.send(b"{\"method\":\"no/such\",\"params\":[]}").await;
    assert_eq!(client.finish().await, Vec::<Value>::new());
}
