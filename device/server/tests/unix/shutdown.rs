//! Stopping: new requests are refused, and requests in flight are answered.

use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::time::Duration;

use device_key_protocol::RpcError;
use device_key_server::{Methods, ServerLimits, SocketMode, UnixSocket};
use device_key_testing::{Gate, HookedProvider, MemoryProvider, ProviderOperation};
use serde_json::json;
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::client::{PATIENCE, Service, binding, hosting, reason};

/// Long enough for anything that would happen at once.
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn requests_in_flight_are_answered_and_new_ones_are_refused() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let service = Service::start(ServerLimits::default(), provider);
    let mut busy = service.initialized().await;
    let mut idle = service.initialized().await;
    busy.send("device/key/create", &binding()).await;
    gate.arrived(1).await;

    service.server.stop();
    assert_eq!(idle.receive().await, None, "an idle connection ends at once");
    let refused = busy.call("device/key/public", &json!({"keyId": "anything"})).await;
    assert_eq!((reason(&refused), &refused["error"]["code"]), ("shutting_down", &json!(-32001)));
    gate.open();
    let created = busy.receive().await.unwrap();
    assert!(created["result"]["keyId"].is_string(), "{created}");
    assert_eq!(busy.receive().await, None);
    timeout(PATIENCE, service.server.stopped()).await.unwrap();
    UnixStream::connect(service.path()).await.unwrap_err();
    assert!(!service.path().exists());
}

#[tokio::test]
async fn a_server_has_not_stopped_while_an_operation_is_running() {
    let gate = Gate::closed(ProviderOperation::Create);
    let provider = HookedProvider::new(MemoryProvider::hardware()).with(gate.hook());
    let service = Service::start(ServerLimits::default(), provider);
    let mut busy = service.initialized().await;
    busy.send("device/key/create", &binding()).await;
    gate.arrived(1).await;
    service.server.stop();
    let early = timeout(SHORT, service.server.stopped()).await;
    assert!(early.is_err(), "the operation is still running");
    gate.open();
    timeout(PATIENCE, service.server.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_request_sent_before_the_stop_is_answered() {
    let service = Service::with_limits(ServerLimits::default());
    let mut client = service.initialized().await;
    // The runtime has one thread, so both events are there when the connection looks again.
    client.try_send(b"{\"id\":1,\"method\":\"device/key/providers\",\"params\":{}}\n").unwrap();
    service.server.stop();
    assert_eq!(reason(&client.receive().await.unwrap()), "shutting_down");
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn a_server_has_stopped_only_when_the_last_answer_is_delivered() {
    let large = Methods::new()
        .local("host/large", |_, _| async { Ok::<_, RpcError>("x".repeat(4 << 20)) })
        .unwrap();
    let server = hosting(large, ServerLimits::default(), Vec::new());
    let service = Service::serving(SocketMode::OwnUser, server);
    let mut client = service.initialized().await;
    client.send("host/large", &json!({})).await;
    client.readable().await;
    service.server.stop();
    assert!(
        timeout(SHORT, service.server.stopped()).await.is_err(),
        "most of the answer is unread"
    );
    let answer = client.receive().await.unwrap();
    assert_eq!(answer["result"].as_str().unwrap().len(), 4 << 20);
    timeout(PATIENCE, service.server.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_connects_during_the_stop_is_left_to_the_next_server() {
    let scratch = tempfile::tempdir().unwrap();
    // If the order were left to chance, each round would fail half of the time.
    for round in 0..16 {
        let path = scratch.path().join(round.to_string());
        let listener = StdUnixListener::bind(&path).unwrap();
        let socket = UnixSocket::adopt(listener.try_clone().unwrap()).unwrap();
        let server = hosting(Methods::new(), ServerLimits::default(), Vec::new());
        let serving = tokio::spawn(socket.serve(server.clone()));
        let (ours, theirs) = UnixStream::pair().unwrap();
        yield_now().await;
        // Both become readable at the same time, so the server finds a client and the stop.
        let client = StdUnixStream::connect(&path).unwrap();
        ours.try_write(b"x").unwrap();
        theirs.readable().await.unwrap();
        server.stop();
        timeout(PATIENCE, serving).await.unwrap().unwrap();
        let (_next, _) = listener.accept().unwrap();
        drop(client);
    }
}
