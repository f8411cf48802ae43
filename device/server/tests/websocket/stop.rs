use std::{net::SocketAddr, sync::Arc};

use device_key_protocol::RpcError;
use device_key_server::{Methods, WebSocketListening, WebSocketSettings};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::client::{Listener, server, within};

/// A method that says when it has begun, and ends when it is let go.
struct Held {
    begun: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl Held {
    fn mount() -> (Self, Methods) {
        let held = Self { begun: Arc::new(Semaphore::new(0)), let_go: Arc::new(Semaphore::new(0)) };
        let (begun, let_go) = (held.begun.clone(), held.let_go.clone());
        let methods = Methods::new().anywhere("host/held", move |_, _| {
            let (begun, let_go) = (begun.clone(), let_go.clone());
            async move {
                begun.add_permits(1);
                let _ = let_go.acquire().await;
                Ok::<_, RpcError>(json!("done"))
            }
        });
        (held, methods.unwrap())
    }
}

#[tokio::test]
async fn what_is_asked_is_answered_before_the_listener_ends() {
    let (held, methods) = Held::mount();
    let mut listener = Listener::with(server(methods), WebSocketSettings::default());
    let mut idle = listener.initialized().await;
    let mut busy = listener.initialized().await;
    busy.send(Message::text(json!({"id": 1, "method": "host/held"}).to_string())).await;
    within(held.begun.acquire()).await.unwrap().forget();

    listener.server.stop();
    assert_eq!(idle.closed().await, CloseCode::Away);
    assert_eq!((listener.get("/healthz").await, listener.get("/readyz").await), (200, 503));
    assert_eq!(listener.open_with("").await.err().unwrap().status, 503);

    held.let_go.add_permits(1);
    assert_eq!(busy.receive().await["result"], "done");
    assert_eq!(busy.closed().await, CloseCode::Away);
    drop((idle, busy));
    within(&mut listener.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_clients_the_listener_ends_at_once() {
    // An address of its own: the port is free for any other test once the listener has gone.
    let own = SocketAddr::from(([127, 31, 7, 9], 0));
    let listening = WebSocketListening::bind(own, WebSocketSettings::default()).unwrap();
    let (address, server) = (listening.address(), server(Methods::new()));
    let serving = tokio::spawn(listening.serve(server.clone()));
    let mut listener = Listener { address, server, serving };
    // Somebody who has not asked for anything yet is not waited for.
    let _silent = listener.connect().await;
    assert_eq!(listener.get("/readyz").await, 200);
    listener.server.stop();
    within(&mut listener.serving).await.unwrap().unwrap();
    // A program that another test is just starting has a copy of the socket until it is started.
    let refused = async {
        while tokio::net::TcpStream::connect(listener.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
}

#[tokio::test]
async fn a_caller_that_waits_no_longer_drops_everybody() {
    let (held, methods) = Held::mount();
    let listener = Listener::with(server(methods), WebSocketSettings::default());
    let mut busy = listener.initialized().await;
    busy.send(Message::text(json!({"id": 1, "method": "host/held"}).to_string())).await;
    within(held.begun.acquire()).await.unwrap().forget();
    listener.server.stop();
    listener.serving.abort();
    let ended = within(futures_util::StreamExt::next(&mut busy.0)).await;
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
}
