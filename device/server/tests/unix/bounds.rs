//! How many connections and requests clients can make the service hold.

use device_key_server::ServerLimits;
use device_key_testing::{Gate, HookedProvider, MemoryProvider, ProviderOperation};
use serde_json::{Value, json};

use crate::client::{Service, binding, initialize, reason};

#[tokio::test]
async fn a_client_that_reads_in_the_end_loses_nothing() {
    const REQUESTS: i64 = 300;
    let service = Service::with_limits(ServerLimits::default());
    let mut client = service.initialized().await;
    let lines: Vec<String> = (0..REQUESTS)
        .map(|id| json!({"id": id, "method": "device/key/providers", "params": {}}).to_string())
        .chain([String::new()])
        .collect();
    let lines = lines.join("\n");
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        client.writable().await;
        rest = &rest[client.try_send(rest).unwrap_or(0)..];
    }
    let mut answered: Vec<i64> = Vec::new();
    for _ in 0..REQUESTS {
        answered.push(client.receive().await.unwrap()["id"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..REQUESTS).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn a_users_connections_are_bounded_and_one_more_is_refused() {
    let limits = ServerLimits { connections_per_owner: 2, ..ServerLimits::default() };
    let service = Service::with_limits(limits);
    let (first, _second) = (service.initialized().await, service.initialized().await);
    let mut third = service.connect().await;
    let refusal = third.receive().await.unwrap();
    assert_eq!((reason(&refusal), &refusal["id"]), ("quota_exceeded", &Value::Null));
    assert_eq!(third.receive().await, None);
    drop(first);
    // The slot is free once the service has seen the end of the connection.
    loop {
        let mut next = service.connect().await;
        next.send("initialize", &initialize()).await;
        if next.receive().await.unwrap()["result"].is_object() {
            break;
        }
    }
}

#[tokio::test]
async fn requests_in_flight_are_bounded_in_number_and_in_bytes() {
    for (limits, fit) in [
        (ServerLimits { requests_per_connection: 3, ..ServerLimits::default() }, 3),
        (ServerLimits { request_bytes_per_connection: 1000, ..ServerLimits::default() }, 2),
    ] {
        let gate = Gate::closed(ProviderOperation::Availability);
        let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
        let service = Service::start(limits, provider);
        let mut client = service.initialized().await;
        let mut params = binding();
        params["ignored"] = json!("x".repeat(300));
        for _ in 0..=fit {
            client.send("device/key/create", &params).await;
        }
        assert_eq!(reason(&client.receive().await.unwrap()), "overloaded");
        gate.open();
        for _ in 0..fit {
            assert!(client.receive().await.unwrap()["result"].is_object());
        }
        let answer = client.call("device/key/create", &params).await;
        assert!(answer["result"].is_object(), "there is room again: {answer}");
    }
}
