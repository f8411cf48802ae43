//! Stopping: requests in flight are answered, and every client gets a close frame.

use std::net::SocketAddr;
use std::sync::Arc;

use device_key_protocol::RpcError;
use device_key_server::{Methods, WebSocketListening, WebSocketSettings};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::{Listener, reason, server, within};

/// A method that tells when it has begun, and ends when the test releases it.
struct BlockedMethod {
    begun: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl BlockedMethod {
    fn mount() -> (Self, Methods) {
        let blocked =
            Self { begun: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) };
        let (begun, released) = (blocked.begun.clone(), blocked.released.clone());
        let methods = Methods::new().anywhere("host/blocked", move |_, _| {
            let (begun, released) = (begun.clone(), released.clone());
            async move {
                begun.add_permits(1);
                let _ = released.acquire().await;
                Ok::<_, RpcError>(json!("done"))
            }
        });
        (blocked, methods.unwrap())
    }
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_the_listener_ends() {
    let (blocked, methods) = BlockedMethod::mount();
    let mut listener = Listener::with(server(methods), WebSocketSettings::default());
    let mut idle = listener.initialized().await;
    let mut busy = listener.initialized().await;
    busy.send(Message::text(json!({"id": 1, "method": "host/blocked"}).to_string())).await;
    within(blocked.begun.acquire()).await.unwrap().forget();

    listener.server.stop();
    assert_eq!(idle.closed().await, CloseCode::Away);
    assert_eq!((listener.get("/healthz").await, listener.get("/readyz").await), (200, 503));
    assert_eq!(listener.open_with("").await.err().unwrap().status, 503);
    let late = busy.call("host/blocked", json!({})).await;
    assert_eq!(reason(&late), "shutting_down", "a new request is refused in words");

    blocked.released.add_permits(1);
    assert_eq!(busy.receive().await["result"], "done");
    assert_eq!(busy.closed().await, CloseCode::Away);
    drop((idle, busy));
    within(&mut listener.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_clients_the_listener_ends_at_once() {
    // No other test uses this address, so nobody takes the port once the listener has gone.
    let own = SocketAddr::from(([127, 31, 7, 9], 0));
    let listening = WebSocketListening::bind(own, WebSocketSettings::default()).unwrap();
    let (address, server) = (listening.address(), server(Methods::new()));
    let serving = tokio::spawn(listening.serve(server.clone()));
    let mut listener = Listener { address, server, serving };
    // A client that has not sent a request yet is not waited for.
    let _silent = listener.connect().await;
    assert_eq!(listener.get("/readyz").await, 200);
    listener.server.stop();
    within(&mut listener.serving).await.unwrap().unwrap();
    // A program that another test is just starting has a copy of the socket until it has started.
    let refused = async {
        while tokio::net::TcpStream::connect(listener.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
}

#[tokio::test]
async fn a_caller_that_drops_the_future_drops_every_connection() {
    let (blocked, methods) = BlockedMethod::mount();
    let listener = Listener::with(server(methods), WebSocketSettings::default());
    let mut busy = listener.initialized().await;
    busy.send(Message::text(json!({"id": 1, "method": "host/blocked"}).to_string())).await;
    within(blocked.begun.acquire()).await.unwrap().forget();
    listener.server.stop();
    listener.serving.abort();
    let ended = within(futures_util::StreamExt::next(&mut busy.0)).await;
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
}
