//! The transport gate, checked for every mounted method and every kind of peer.

use device_key::{LocalPeer, OwnerUid, Peer, Transport};
use device_key_server::WebSocketSettings;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Listener, exchange_line, health, initialize, reason, server};

/// The methods that remote peers may call. Add a method here only if that is decided.
const SERVED_ANYWHERE: [&str; 1] = ["host/health"];

#[tokio::test]
async fn every_method_is_local_unless_it_says_otherwise() {
    let server = server(health());
    let local = |transport| Peer::Local(LocalPeer::from_transport(OwnerUid::new(7), transport));
    let peers = [
        local(Transport::Stdio),
        local(Transport::InProcess),
        local(Transport::UnixSocket),
        Peer::Remote,
    ];
    let methods = server.method_names();
    for mounted in ["device/key/create", "device/key/public", "device/key/sign", "host/health"] {
        assert!(methods.contains(&mounted), "{methods:?}");
    }
    for peer in peers {
        let mut stream = BufReader::new(server.connect(peer));
        let mut exchange = async |message: Value| -> Value {
            serde_json::from_str(&exchange_line(&mut stream, &message.to_string()).await).unwrap()
        };
        exchange(initialize()).await;
        for method in &methods {
            let answer = exchange(json!({"id": 1, "method": method, "params": "nonsense"})).await;
            let is_refused = answer["error"]["data"]["reason"] == "transport_not_local";
            let is_expected = peer == Peer::Remote && !SERVED_ANYWHERE.contains(method);
            assert_eq!(is_refused, is_expected, "{method} for {peer:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn no_local_method_is_reached_over_a_websocket_whatever_the_params() {
    let server = server(health());
    let methods = server.method_names();
    let listener = Listener::with(server, WebSocketSettings::default());
    let mut client = listener.initialized().await;
    let binding = json!({"accountUserId": "a", "clientId": "c"});
    for method in methods {
        for params in [json!("nonsense"), json!([]), json!(null), json!({}), binding.clone()] {
            let answer = client.call(method, params).await;
            if SERVED_ANYWHERE.contains(&method) {
                assert_eq!(answer["result"], json!({"transport": "remote"}));
            } else {
                assert_eq!(reason(&answer), "transport_not_local", "{method}");
                assert_eq!(answer["error"]["code"], -32600);
            }
        }
        let without_params = format!("{{\"id\":2,\"method\":\"{method}\"}}");
        client.send(Message::text(without_params)).await;
        assert_eq!(client.receive().await["id"], 2);
    }
}
