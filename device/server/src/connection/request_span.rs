//! The tracing span of one request.

use std::collections::HashMap;

use device_key::Peer;
use device_key_protocol::{Request, TraceContext, initialize};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::methods::table::Methods;

/// Stands for a method that is not mounted, whose name is whatever the caller chose (OpenTelemetry
/// semantic conventions for RPC).
const OTHER: &str = "_OTHER";

/// Makes the span of one request. It continues the caller's trace if the request has one.
pub(super) fn request_span(request: &Request, methods: &Methods, peer: Peer) -> Span {
    let method = match &*request.method {
        initialize::METHOD => initialize::METHOD,
        other => methods.known(other).unwrap_or(OTHER),
    };
    let span = info_span!(
        "request",
        otel.name = method,
        otel.kind = "server",
        rpc.method = method,
        rpc.jsonrpc.request_id = %request.id,
        transport = peer.transport(),
        reason = field::Empty,
    );
    if let Some(trace) = &request.trace {
        // Fails if no layer collects spans for OpenTelemetry, and then there is nothing to
        // continue.
        let _ = span.set_parent(extract(trace));
    }
    span
}

fn extract(trace: &TraceContext) -> opentelemetry::Context {
    let members = [
        Some(("traceparent".to_owned(), trace.traceparent.clone())),
        trace.tracestate.clone().map(|tracestate| ("tracestate".to_owned(), tracestate)),
    ];
    let carrier: HashMap<String, String> = members.into_iter().flatten().collect();
    // The context is empty, so that a malformed parent does not leave the request in the span that
    // happens to be current.
    TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier)
}
