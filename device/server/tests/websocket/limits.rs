//! Deadlines and limits: what one client can make the listener hold, and for how long.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use device_key_protocol::Params;
use device_key_server::{Methods, WebSocketLimits, WebSocketSettings};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, DEADLINE, Listener, SHORT, initialize, limits, server, within};

fn stalling() -> Listener {
    let limits = limits(WebSocketLimits { stall_deadline: SHORT, ..Default::default() });
    Listener::with(server(echo()), limits)
}

/// A method that gives its params back, so that answers are as large as their requests.
fn echo() -> Methods {
    let echo = |_, params: Params| async move { params.read::<Value>() };
    Methods::new().anywhere("host/echo", echo).unwrap()
}

fn large() -> String {
    let params = json!({"text": "x".repeat(100_000)});
    json!({"id": 1, "method": "host/echo", "params": params}).to_string()
}

/// Sends until the server drops the connection, without reading. Returns how long that took.
async fn flood(client: &mut Client, message: Message) -> Duration {
    let begun = Instant::now();
    within(async { while client.0.send(message.clone()).await.is_ok() {} }).await;
    begun.elapsed()
}

/// Waits until the server closes or resets the connection.
async fn gone(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    match within(stream.read_to_end(&mut rest)).await {
        Ok(_) => assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_answers_is_dropped() {
    let listener = stalling();
    let mut client = listener.initialized().await;
    let request = large();
    let after = flood(&mut client, Message::text(request)).await;
    assert!(after >= SHORT, "{after:?}");
    // Other clients are served.
    listener.initialized().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_answers_is_not_read_from() {
    const MUCH: usize = 32 << 20;
    let listener = Listener::with(server(echo()), WebSocketSettings::default());
    let mut client = listener.initialized().await;
    let request = Message::text(large());
    let mut sent = 0;
    // Socket buffers take some of it. A second is much longer than the server needs for a request.
    while sent < MUCH
        && timeout(Duration::from_secs(1), client.0.send(request.clone())).await.is_ok()
    {
        sent += request.len();
    }
    assert!(sent < MUCH, "the server goes on reading although nobody reads its answers");
}

#[tokio::test]
async fn a_client_that_does_not_read_pongs_is_dropped() {
    let listener = stalling();
    let mut client = listener.open().await;
    let after = flood(&mut client, Message::Ping(vec![0; 125].into())).await;
    assert!(after >= SHORT, "{after:?}");
}

#[tokio::test]
async fn a_client_that_reads_late_but_in_time_loses_nothing() {
    let listener = Listener::with(server(echo()), WebSocketSettings::default());
    let mut client = listener.initialized().await;
    let request = large();
    let mut sent = 0;
    // Sends until the server stops reading.
    while timeout(SHORT, client.0.feed(Message::text(request.clone()))).await.is_ok() {
        sent += 1;
    }
    let (mut sink, mut stream) = futures_util::StreamExt::split(client.0);
    let flushing = tokio::spawn(async move { within(sink.flush()).await });
    for _ in 0..sent {
        let answer = within(futures_util::StreamExt::next(&mut stream)).await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
        // A request beyond the limit is refused, and the refusal is an answer, too.
        let is_refused = answer["error"]["data"]["reason"] == "overloaded";
        assert!(is_refused || answer["result"]["text"].is_string());
    }
    flushing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_arrives_too_slowly_is_cut_off() {
    let settings = WebSocketLimits { handshake_deadline: SHORT, ..Default::default() };
    let listener = Listener::start(limits(settings));
    let begun = Instant::now();
    let mut silent = listener.connect().await;
    let mut trickling = listener.connect().await;
    trickling.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let (mut read, mut write) = trickling.split();
    let sending = async {
        while write.write_all(b"X-More: header\r\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        let mut reply = Vec::new();
        let _ = read.read_to_end(&mut reply).await;
    };
    within(async {
        tokio::select! { () = sending => {}, () = reading => {} }
    })
    .await;
    gone(&mut silent).await;
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < DEADLINE);
    listener.initialized().await;
}

#[tokio::test]
async fn a_request_of_many_or_long_headers_is_refused() {
    let listener = Listener::start(WebSocketSettings::default());
    let long = format!("X-Long: {}\r\n", "x".repeat(32 * 1024));
    let many = "X-Many: x\r\n".repeat(100);
    for headers in [long, many] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        assert_eq!(listener.http(&request).await.status, 431);
    }
    let fits = format!("Cookie: {}\r\n", "x".repeat(8 * 1024));
    listener.open_with(&fits).await.ok().unwrap();
}

#[tokio::test]
async fn the_number_of_clients_is_bounded_and_probes_go_on() {
    let settings = WebSocketLimits { connections: 2, ..Default::default() };
    let listener = Listener::start(limits(settings));
    let mut first = listener.initialized().await;
    let _second = listener.initialized().await;
    assert_eq!(listener.open_with("").await.err().unwrap().status, 503);
    assert_eq!((listener.get("/healthz").await, listener.get("/readyz").await), (200, 200));
    first.send(Message::Close(None)).await;
    while first.next().await.is_some() {}
    drop(first);
    // The slot is free a moment after the client has gone.
    within(async { while listener.open_with("").await.is_err() {} }).await;
}

#[tokio::test]
async fn the_slot_of_a_client_that_vanishes_is_freed() {
    let settings = WebSocketLimits { connections: 1, ..Default::default() };
    let listener = Listener::start(limits(settings));
    for _ in 0..3 {
        let opening = async {
            loop {
                if let Ok(client) = listener.open_with("").await {
                    break client;
                }
            }
        };
        let mut client = within(opening).await;
        client.send(Message::text(initialize().to_string())).await;
        client.0.get_ref().set_zero_linger().unwrap();
    }
}

#[tokio::test]
async fn a_client_that_is_refused_and_does_not_leave_is_dropped() {
    let listener = stalling();
    let mut client = listener.open().await;
    client.send(Message::binary("x")).await;
    // The client reads nothing and goes on sending.
    flood(&mut client, Message::binary(vec![0; 1024])).await;
}
