//! Checks spans as a collector gets them: their parents, across tasks and the blocking pool.
//!
//! There is one test in a process of its own, because the subscriber must be global to reach the
//! threads of the blocking pool. The runtime has two workers with 2 MiB of stack each, which is the
//! default of threads in Rust. Spans go to OpenTelemetry's in-memory exporter when they end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;

use device_key_server::{AppServer, Methods, ServerDescription};
use device_key_testing::{Assembly, MemoryProvider};
use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tracing_subscriber::layer::SubscriberExt as _;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn server() -> AppServer {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    let description =
        ServerDescription { name: "test".to_owned(), version: "0".to_owned(), home: "/".into() };
    AppServer::new(description, store, Methods::new()).unwrap()
}

async fn exchange(server: &AppServer, requests: &[Value]) -> Vec<Value> {
    let mut stream = BufReader::new(server.connect_in_process());
    let mut transcript = Vec::new();
    for request in requests {
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        transcript.push(serde_json::from_str(&line).unwrap());
    }
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read_line(&mut String::new()).await.unwrap(), 0, "nothing more is answered");
    transcript
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

#[test]
fn the_spans_of_store_and_provider_are_children_of_the_request_in_the_callers_trace() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(2 * 1024 * 1024)
        .enable_all()
        .build()
        .unwrap();
    let client_info = json!({"name": "t", "version": "0"});
    let trace = json!({"traceparent": format!("00-{TRACE}-{PARENT}-01"), "tracestate": "a=b"});
    let answers = runtime.block_on(exchange(
        &server(),
        &[
            json!({"id": 0, "method": "initialize", "params": {"clientInfo": client_info}}),
            json!({
                "id": "create-1", "method": "device/key/create", "trace": trace,
                "params": {"accountUserId": "secret-account", "clientId": "secret-client"},
            }),
            json!({"id": 2, "method": "secret/method", "trace": {"traceparent": "nonsense"}}),
        ],
    ));
    assert!(answers[1]["result"].is_object(), "{}", answers[1]);

    let spans = exporter.get_finished_spans().unwrap();
    let by_id: HashMap<SpanId, &SpanData> =
        spans.iter().map(|span| (span.span_context.span_id(), span)).collect();
    let request = spans.iter().find(|span| span.name == "device/key/create").unwrap();
    assert_eq!(request.span_context.trace_id().to_string(), TRACE);
    assert_eq!(request.parent_span_id.to_string(), PARENT);
    assert_eq!(attribute(request, "rpc.method").as_deref(), Some("device/key/create"));
    assert_eq!(attribute(request, "rpc.jsonrpc.request_id").as_deref(), Some("\"create-1\""));
    assert_eq!(attribute(request, "transport").as_deref(), Some("in_process"));

    let children: Vec<String> = spans
        .iter()
        .filter(|span| {
            by_id.get(&span.parent_span_id).is_some_and(|parent| parent.name == request.name)
        })
        .map(|span| format!("{} {}", span.name, attribute(span, "operation").unwrap()))
        .collect();
    for expected in [
        "provider availability",
        "bindings begin",
        "provider create",
        "provider self_test",
        "bindings complete",
    ] {
        assert!(children.iter().any(|child| child == expected), "{expected} in {children:?}");
    }

    // A malformed parent starts a trace of its own, and a caller's text names no span.
    let other = spans.iter().find(|span| span.name == "_OTHER").unwrap();
    assert_eq!(other.parent_span_id, SpanId::INVALID);
    assert_ne!(other.span_context.trace_id().to_string(), TRACE);
    assert_eq!(attribute(other, "reason").as_deref(), Some("method_not_found"));
    let shown = format!("{spans:?}");
    assert!(!shown.contains("secret"), "{shown}");
}
