//! Health probes, and HTTP requests that do not open a WebSocket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use device_key_server::{AppServer, Readiness, WebSocketSettings};
use device_key_testing::BindingOperation::{self, CheckWrite};
use device_key_testing::{Assembly, Gate, unavailable};

use crate::client::{Listener, description, health, within};

#[tokio::test]
async fn a_probe_is_answered_and_the_connection_closed() {
    let listener = Listener::start(WebSocketSettings::default());
    for path in ["/healthz", "/readyz"] {
        // HTTP/1.1 would keep the connection open otherwise.
        let reply = listener.http(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.text.contains("connection: close\r\n"), "{}", reply.text);
        let (head, body) = reply.text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }
}

#[tokio::test]
async fn readiness_is_asked_each_time_and_health_does_not_depend_on_it() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = is_ready.clone();
    let readiness = Readiness::when(move || asked.load(Ordering::SeqCst));
    let listener = Listener::start(WebSocketSettings { readiness, ..WebSocketSettings::default() });
    assert_eq!((listener.get("/healthz").await, listener.get("/readyz").await), (200, 503));
    is_ready.store(true, Ordering::SeqCst);
    assert_eq!((listener.get("/healthz").await, listener.get("/readyz").await), (200, 200));
}

#[tokio::test]
async fn readiness_says_whether_a_key_could_be_recorded_and_waits_only_a_moment() {
    let (gate, fails) = (Gate::closed(CheckWrite), Arc::new(AtomicBool::new(true)));
    let failing = Arc::clone(&fails);
    let fault = move |_, operation: BindingOperation| match operation {
        CheckWrite if failing.load(Ordering::SeqCst) => Err(unavailable()),
        _ => Ok(()),
    };
    let store = Assembly::new().bindings_hook(gate.hook()).bindings_hook(fault).store();
    let server = AppServer::new(description(), store, health()).unwrap();
    let listener = Listener::with(server, WebSocketSettings::default());
    // The check does not end: no probe waits for it, and other clients are served.
    let waiting = async { (listener.get("/readyz").await, listener.get("/readyz").await) };
    assert_eq!(within(waiting).await, (503, 503));
    assert_eq!(listener.get("/healthz").await, 200);
    gate.open();
    let until = async |status| {
        within(async { while listener.get("/readyz").await != status {} }).await;
    };
    until(503).await;
    fails.store(false, Ordering::SeqCst);
    until(200).await;
    fails.store(true, Ordering::SeqCst);
    until(503).await;
}

#[tokio::test]
async fn paths_are_exact() {
    let listener = Listener::start(WebSocketSettings::default());
    for path in
        ["/healthz/", "/healthz?x", "//healthz", "/HEALTHZ", "/health%7A", "/x", "/?x", "/./", "*"]
    {
        assert!([400, 404].contains(&listener.get(path).await), "{path}");
    }
    assert_eq!(listener.get("http://localhost/healthz").await, 200);
}

#[tokio::test]
async fn every_method_but_get_is_refused() {
    let listener = Listener::start(WebSocketSettings::default());
    for method in ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "get", "PROPFIND"] {
        for path in ["/", "/healthz", "/readyz"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let reply = listener.http(&request).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(reply.text.contains("allow: get\r\n"), "{}", reply.text);
        }
        let elsewhere = format!("{method} /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(listener.http(&elsewhere).await.status, 404);
    }
}

#[tokio::test]
async fn a_request_that_does_not_open_a_websocket_is_refused() {
    let listener = Listener::start(WebSocketSettings::default());
    let opening = [
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let with = |at: usize, line: &str| {
        let lines: Vec<&str> =
            opening.iter().enumerate().map(|(i, own)| if i == at { line } else { own }).collect();
        format!("GET / HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
    };
    for (at, line, status) in [
        (0, "X-No: host", 400),
        (1, "Connection: close", 426),
        (1, "Connection: Upgraded", 426),
        (2, "Upgrade: h2c", 426),
        (3, "Sec-WebSocket-Version: 8", 426),
        (3, "X-No: version", 426),
        (4, "X-No: key", 400),
        (4, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", 400),
        (4, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key: x", 400),
    ] {
        let reply = listener.http(&with(at, line)).await;
        assert_eq!(reply.status, status, "{line}");
        if status == 426 {
            assert!(reply.text.contains("sec-websocket-version: 13\r\n"), "{}", reply.text);
            assert!(reply.text.contains("connection: upgrade, close\r\n"), "{}", reply.text);
        }
    }
    let old = with(0, opening[0]).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(listener.http(&old).await.status, 426);
}

#[tokio::test]
async fn a_websocket_opens_only_at_the_root() {
    let listener = Listener::start(WebSocketSettings::default());
    let headers = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (path, status) in [("/healthz", 200), ("/ws", 404), ("/?token=x", 404)] {
        let reply = listener.http(&format!("GET {path} HTTP/1.1\r\n{headers}")).await;
        assert_eq!(reply.status, status, "{path}");
    }
    listener.open().await;
}
