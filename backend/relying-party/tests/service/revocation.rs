//! Tests of how connections are closed after a revocation.

use std::time::Duration;

use device_key_relying_party::{AttestationPolicy, RelyingPartyLimits};
use device_key_testing::Postgres;
use futures_util::SinkExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Socket;
use crate::device::Device;
use crate::server::{Server, limits};
use crate::store::{Store, on_both_stores};

on_both_stores! {
    every_process_closes_the_connections_of_a_revoked_device
    the_connection_of_a_client_that_does_not_read_is_closed_too
    a_stopping_server_tells_its_clients
}

/// The promised time to close a revoked device's connections.
const PROMISED: Duration = Duration::from_secs(1);
const REVOKED: (u16, &str) = (1008, "device_revoked");

async fn closed_in_time(socket: &mut Socket) -> (u16, String) {
    timeout(PROMISED, socket.closed()).await.expect("closed within a second")
}

async fn every_process_closes_the_connections_of_a_revoked_device(store: Store) {
    let servers = [Server::on(&store).await, Server::on(&store).await];
    let [here, there] = [servers[0].client(), servers[1].client()];
    let device = Device::new(1, "account-a").enrolled(here).await;
    let other = Device::new(2, "account-a").enrolled(here).await;
    let mut sockets = Vec::new();
    for client in [here, here, there, there] {
        sockets.push(device.connect(client).await.ok().unwrap());
    }
    let mut kept =
        [other.connect(here).await.ok().unwrap(), other.connect(there).await.ok().unwrap()];
    assert_eq!(device.revoke(here).await.0, 204);
    for socket in &mut sockets {
        let (code, reason) = closed_in_time(socket).await;
        assert_eq!((code, reason.as_str()), REVOKED);
    }
    for socket in &mut kept {
        assert_eq!(socket.echo("still here").await, "still here");
    }
}

/// The client sends without reading, until neither side can write any more.
async fn the_connection_of_a_client_that_does_not_read_is_closed_too(store: Store) {
    let limits = RelyingPartyLimits { stall_deadline: Duration::from_mins(1), ..limits() };
    let policy = AttestationPolicy::without_attestation();
    let server = Server::with(&store, policy, limits).await;
    let there = Server::on(&store).await;
    let device = Device::new(1, "account-a").enrolled(server.client()).await;
    let mut socket = device.connect(server.client()).await.ok().unwrap();
    let text = Message::text("x".repeat(60_000));
    let unread = Duration::from_millis(500);
    while timeout(unread, socket.0.send(text.clone())).await.is_ok() {}
    assert_eq!(device.revoke(there.client()).await.0, 204);
    let ended = timeout(PROMISED, async { while socket.0.flush().await.is_ok() {} });
    ended.await.expect("dropped within a second");
}

async fn a_stopping_server_tells_its_clients(store: Store) {
    let server = Server::on(&store).await;
    let device = Device::new(1, "account-a").enrolled(server.client()).await;
    let mut socket = device.connect(server.client()).await.ok().unwrap();
    let stopping = tokio::spawn(server.stopped());
    assert_eq!(closed_in_time(&mut socket).await, (1001, "shutting_down".to_owned()));
    timeout(PROMISED, stopping).await.expect("the server stops in time").unwrap();
}

/// A store that does not answer may hold a revocation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_cannot_be_checked_are_closed() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let store = Store::Postgres(postgres.database());
    let limits = RelyingPartyLimits { unchecked_at_most: Duration::from_secs(1), ..limits() };
    let policy = AttestationPolicy::without_attestation();
    let server = Server::with(&store, policy, limits).await;
    let device = Device::new(1, "account-a").enrolled(server.client()).await;
    let mut sockets = [
        device.connect(server.client()).await.ok().unwrap(),
        device.connect(server.client()).await.ok().unwrap(),
    ];
    postgres.pause();
    for socket in &mut sockets {
        let closed = timeout(Duration::from_secs(10), socket.closed()).await.unwrap();
        assert_eq!(closed, (1013, "registry_unavailable".to_owned()));
    }
    postgres.resume();
    let mut socket = device.connect(server.client()).await.ok().unwrap();
    assert_eq!(socket.echo("back").await, "back");
}
