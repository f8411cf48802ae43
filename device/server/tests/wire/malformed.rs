//! Malformed lines and params are answered, and the connection goes on.

use device_key_protocol::MAX_MESSAGE_BYTES;
use serde_json::{Value, json};

use crate::client::{Client, memory, reason, server};

#[tokio::test]
async fn a_malformed_line_is_answered_and_the_connection_goes_on() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("a", "c").await;
    let too_long = vec![b' '; MAX_MESSAGE_BYTES + 1];
    let nested = "[".repeat(10_000);
    let lines: [(&[u8], &str, i32); 10] = [
        (b"nonsense", "parse_error", -32700),
        (b"\xff\xfe\xfd", "parse_error", -32700),
        (b"{\"id\":1,\"method\":\"x\"", "parse_error", -32700),
        (nested.as_bytes(), "parse_error", -32700),
        (br#"{"id":1,"method":"x","params":{"a":1,"a":1}}"#, "parse_error", -32700),
        (&too_long, "message_too_large", -32700),
        (b"[]", "batch_unsupported", -32600),
        (b"{\"id\":null,\"method\":\"x\"}", "invalid_request", -32600),
        (b"{\"id\":1}", "invalid_request", -32600),
        (b"{\"id\":1,\"method\":\"x\"}", "method_not_found", -32601),
    ];
    for (line, expected, code) in lines {
        client.send(line).await;
        client.send(b"\n").await;
        let answer = client.receive().await;
        assert_eq!((reason(&answer), &answer["error"]["code"]), (expected, &json!(code)));
        let public = client.call("device/key/public", json!({"keyId": key_id})).await;
        assert_eq!(public["result"]["keyId"], key_id.as_str());
    }
}

#[tokio::test]
async fn the_longest_line_is_served() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let mut line = json!({"id": 1, "method": "device/key/public", "params": {"keyId": "x"}})
        .to_string()
        .into_bytes();
    line.resize(MAX_MESSAGE_BYTES, b' ');
    client.send(&line).await;
    client.send(b"\n").await;
    assert_eq!(reason(&client.receive().await), "invalid_key_id");
}

#[tokio::test]
async fn params_of_another_shape_are_refused() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let binding = json!({"accountUserId": "a", "clientId": "c"});
    let with = |member: &str, value: Value| {
        let mut params = binding.clone();
        params[member] = value;
        params
    };
    for (method, params) in [
        ("device/key/create", json!(null)),
        ("device/key/create", json!(["a", "c"])),
        ("device/key/create", json!({"accountUserId": "a"})),
        ("device/key/create", with("clientId", json!(1))),
        ("device/key/create", with("protectionPolicy", json!("none"))),
        ("device/key/public", json!({})),
        ("device/key/public", json!(["x"])),
        ("device/key/sign", json!({"keyId": "x"})),
        ("device/key/sign", json!({"keyId": "x", "payload": null})),
        ("device/key/sign", json!({"keyId": "x", "payload": ["remoteControlClientConnection"]})),
    ] {
        let answer = client.call(method, params).await;
        assert_eq!(reason(&answer), "invalid_params", "{method}");
        assert_eq!(answer["error"]["code"], -32602);
    }
    for params in [with("protectionPolicy", json!(null)), with("unknown", json!({"x": 1}))] {
        assert!(client.call("device/key/create", params).await["result"].is_object());
    }
}

#[tokio::test]
async fn chunks_of_any_size_are_the_same_stream() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let request = json!({"id": 9, "method": "device/key/public", "params": {"keyId": "é"}});
    for byte in format!("{request}\r\n").as_bytes() {
        client.send(&[*byte]).await;
    }
    assert_eq!(reason(&client.receive().await), "invalid_key_id");
    // The last line need not end with a line feed.
    client.send(request.to_string().as_bytes()).await;
    let rest = client.finish().await;
    assert_eq!(rest.iter().map(reason).collect::<Vec<_>>(), ["invalid_key_id"]);
}
