//! The code that runs in child processes: the real app-server with requests that hold secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use device_key_server::{AppServer, Methods, ServerDescription};
use device_key_testing::{Assembly, MemoryProvider};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::runtime::Runtime;
use tracing::{Span, debug_span, error, info_span};

use crate::child;

/// The id of the caller's trace.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The id of the caller's span.
pub(crate) const PARENT: &str = "00f067aa0ba902b7";
/// The beginning of every secret and of every text of the caller in these tests.
pub(crate) const SECRET: &str = "marked-secret";

fn server() -> AppServer {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    let description =
        ServerDescription { name: "test".to_owned(), version: "0".to_owned(), home: "/".into() };
    AppServer::new(description, store, Methods::new()).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn exchange(server: &AppServer, requests: &[Value]) {
    let mut stream = BufReader::new(server.connect_in_process());
    let mut answer = String::new();
    for request in requests {
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        assert_ne!(stream.read_line(&mut answer).await.unwrap(), 0);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read_line(&mut answer).await.unwrap(), 0);
}

/// A session of three requests: two succeed, one fails.
fn session() -> Vec<Value> {
    let text = |what: &str| format!("{SECRET}-{what}");
    let trace = json!({
        "traceparent": format!("00-{TRACE}-{PARENT}-01"),
        "tracestate": format!("vendor={}", text("state")),
    });
    vec![
        json!({"id": 0, "method": "initialize", "params": {
            "clientInfo": {"name": text("name"), "version": "0"},
        }}),
        json!({"id": text("id"), "method": "device/key/create", "trace": trace, "params": {
            "accountUserId": text("account"), "clientId": text("client"),
        }}),
        json!({"id": 2, "method": text("method"), "params": {"nonce": text("nonce")}}),
    ]
}

/// Spans that the server and the store do not make yet.
fn other_spans() -> [Span; 2] {
    debug_span!(target: "device_key::store", "waiting", provider = "memory").in_scope(|| {
        error!(target: "device_key::store", nonce = SECRET, "an event with a field that is secret");
    });
    let connection =
        |transport| info_span!(target: "device_key_server::connection", "connection", transport);
    drop(connection("stdio"));
    [connection("unix_socket"), connection("unix_socket")]
}

#[test]
#[ignore = "runs in a child"]
fn one_session() {
    let before = child::threads_and_files();
    let Some(telemetry) = child::telemetry() else { return };
    println!("\nstarted nothing: {}", before == child::threads_and_files());
    let connections = other_spans();
    runtime().block_on(exchange(&server(), &session()));
    child::end(telemetry);
    drop(connections);
}

#[test]
#[ignore = "runs in a child"]
fn sessions_until_the_parent_closes_standard_input() {
    let Some(telemetry) = child::telemetry() else { return };
    let is_over = Arc::new(AtomicBool::new(false));
    let is_over_too = Arc::clone(&is_over);
    thread::spawn(move || {
        child::await_parent();
        is_over_too.store(true, Ordering::SeqCst);
    });
    runtime().block_on(async {
        let server = server();
        while !is_over.load(Ordering::SeqCst) {
            exchange(&server, &session()).await;
        }
    });
    child::end(telemetry);
}

/// Prints how long the sessions took with a failing collector, and how long the shutdown took.
#[test]
#[ignore = "runs in a child"]
fn sessions_with_a_bad_collector() {
    let Some(telemetry) = child::telemetry() else { return };
    let runtime = runtime();
    let server = server();
    let begun = Instant::now();
    for _ in 0..1000 {
        runtime.block_on(exchange(&server, &session()));
    }
    println!("\nserved in ms: {}", begun.elapsed().as_millis());
    let ending = Instant::now();
    telemetry.shutdown(Duration::from_millis(600));
    println!("ended in ms: {}", ending.elapsed().as_millis());
}
