//! Connections that do nothing keep nobody out.

use std::time::Duration;

use device_key_server::ServerLimits;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{Client, PATIENCE, Service, initialize, reason};
use crate::users::{connect_as, initialized_as, service};

const FIRST_USER: u32 = 62_001;
const USERS: u32 = 8;
const PER_USER: usize = 4;

/// Reads until the connection ends. Returns the reason that the service gave.
async fn closed(client: &mut Client) -> String {
    let told = client.receive().await.expect("the service says why");
    assert_eq!(told["id"], Value::Null);
    assert_eq!(client.receive().await, None);
    reason(&told).to_owned()
}

#[tokio::test]
async fn users_with_many_silent_connections_keep_no_other_user_out() {
    let limits = ServerLimits {
        connections: usize::try_from(USERS).unwrap() * PER_USER,
        connections_per_owner: PER_USER,
        ..ServerLimits::default()
    };
    let service = service(limits);
    let mut silent = Vec::new();
    for uid in FIRST_USER..FIRST_USER + USERS {
        for number in 0..PER_USER {
            // The last connections may be refused already, because some slots are reserved.
            let mut client = connect_as(&service, uid);
            client.send("initialize", &initialize()).await;
            if client.receive().await.unwrap()["result"].is_object() {
                silent.push(client);
            } else {
                assert!(number > 0, "user {uid} has no connection");
            }
        }
    }
    assert!(silent.len() + 3 > limits.connections, "{} connections", silent.len());
    // Three users at once find a slot. Any number of users does, one after the other.
    let mut served = Vec::new();
    for uid in FIRST_USER + USERS..FIRST_USER + 2 * USERS {
        let begun = Instant::now();
        let mut client = loop {
            let mut client = connect_as(&service, uid);
            client.send("initialize", &initialize()).await;
            let answer = client.receive().await.unwrap();
            if answer["result"].is_object() {
                break client;
            }
            assert_eq!(reason(&answer), "overloaded");
            assert!(begun.elapsed() < PATIENCE, "an idle connection leaves");
        };
        let answer = client.call("device/key/list", &json!({})).await;
        assert!(answer["result"].is_object(), "{answer}");
        served.push(client);
    }
    // The connections that were idle longest have left, and were told why.
    assert_eq!(closed(&mut silent[0]).await, "overloaded");
    for client in &mut served {
        let answer = client.call("device/key/list", &json!({})).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_complete_the_handshake_in_time_is_disconnected() {
    let limits = ServerLimits { handshake: Duration::from_secs(1), ..ServerLimits::default() };
    let service = service(limits);
    let mut served = initialized_as(&service, FIRST_USER).await;
    let mut silent = connect_as(&service, FIRST_USER);
    let chatty = connect_as(&service, FIRST_USER);
    let begun = Instant::now();
    assert_eq!(closed(&mut silent).await, "not_initialized");
    assert!(begun.elapsed() >= limits.handshake / 2);
    // Blank lines are no handshake.
    while chatty.try_send(b"\n").is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it is disconnected too");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(served.call("device/key/list", &json!({})).await["result"].is_object());
    drop::<Service>(service);
}
