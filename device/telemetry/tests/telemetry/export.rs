//! The traces and metrics that a collector receives.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::child::{self, ENDPOINT};
use crate::collector::{Collector, Received};
use crate::serving::{PARENT, SECRET, TRACE};

const SESSION: &str = "serving::one_session";

/// Runs a child that serves one session, and returns its first export of traces and of metrics.
fn exported(variables: &[(&str, &str)]) -> (Received, Received) {
    let collector = Collector::start(200);
    let variables: Vec<_> =
        variables.iter().copied().chain([(ENDPOINT, collector.address())]).collect();
    child::run(SESSION, &variables);
    (collector.next("/v1/traces"), collector.next("/v1/metrics"))
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some((attribute.key.clone(), text.clone())),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

fn spans(traces: &Received) -> Vec<Span> {
    let request: ExportTraceServiceRequest = traces.message();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn metrics(metrics: &Received) -> BTreeMap<String, Metric> {
    let request: ExportMetricsServiceRequest = metrics.message();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    metrics.map(|metric| (metric.name.clone(), metric)).collect()
}

/// The values of a sum, or the counts of a histogram, by attributes.
fn values(metric: &Metric) -> BTreeMap<Vec<(String, String)>, i64> {
    let of = |attributes: &[KeyValue], value| (texts(attributes).into_iter().collect(), value);
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => sum
            .data_points
            .iter()
            .map(|point| match point.value.unwrap() {
                number_data_point::Value::AsInt(value) => of(&point.attributes, value),
                number_data_point::Value::AsDouble(value) => panic!("{value} is not whole"),
            })
            .collect(),
        Data::Histogram(histogram) => histogram
            .data_points
            .iter()
            .map(|point| of(&point.attributes, i64::try_from(point.count).unwrap()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn owned(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn spans_continue_the_callers_trace() {
    let (traces, _) = exported(&[]);
    assert_eq!(traces.headers["content-type"], "application/x-protobuf");
    let spans = spans(&traces);
    let request = spans.iter().find(|span| span.name == "device/key/create").unwrap();
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    let children: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == request.span_id && span.name == "provider")
        .map(|span| texts(&span.attributes)["device_key.operation"].clone())
        .collect();
    assert!(children.contains(&"create".to_owned()), "{children:?}");
    let refused = spans.iter().find(|span| span.name == "_OTHER").unwrap();
    assert_eq!(texts(&refused.attributes)["error.type"], "method_not_found");
    assert!(spans.iter().all(|span| span.name != "connection"));
}

#[test]
fn spans_hold_listed_attributes_and_nothing_else() {
    let (traces, _) = exported(&[("RUST_LOG", "trace")]);
    let listed = HashSet::from([
        "rpc.method",
        "device_key.transport",
        "device_key.provider",
        "device_key.operation",
        "error.type",
    ]);
    for span in spans(&traces) {
        for attribute in &span.attributes {
            assert!(listed.contains(&*attribute.key), "{} of {}", attribute.key, span.name);
        }
        assert!(span.events.is_empty(), "{span:?}");
        assert_eq!(span.trace_state, "");
    }
}

#[test]
fn no_secret_and_no_text_of_the_caller_is_exported() {
    let (traces, metrics) = exported(&[("RUST_LOG", "trace")]);
    for received in [traces, metrics] {
        let text = String::from_utf8_lossy(&received.body);
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn requests_are_counted_and_timed_by_method_and_reason() {
    let (_, received) = exported(&[]);
    let metrics = metrics(&received);
    let request = |method, reason: Option<&'static str>| {
        let reason = reason.map(|reason| ("error.type", reason));
        let always = [("rpc.method", method), ("rpc.system.name", "jsonrpc")];
        let transport = [("device_key.transport", "in_process")];
        owned(&transport.into_iter().chain(reason).chain(always).collect::<Vec<_>>())
    };
    let expected = BTreeMap::from([
        (request("initialize", None), 1),
        (request("device/key/create", None), 1),
        (request("_OTHER", Some("method_not_found")), 1),
    ]);
    assert_eq!(values(&metrics["device_key.requests"]), expected);
    assert_eq!(values(&metrics["rpc.server.call.duration"]), expected);
    assert_eq!(metrics["rpc.server.call.duration"].unit, "s");
}

#[test]
fn operations_and_waiting_and_connections_are_measured() {
    let (_, received) = exported(&[]);
    let metrics = metrics(&received);
    let operations = values(&metrics["device_key.provider.operation.duration"]);
    let create =
        owned(&[("device_key.operation", "create"), ("device_key.provider", "memory_tpm")]);
    assert_eq!(operations.get(&create), Some(&1), "{operations:?}");
    let waited = BTreeMap::from([(owned(&[("device_key.provider", "memory")]), 0)]);
    assert_eq!(values(&metrics["device_key.provider.waiting"]), waited);
    let open = BTreeMap::from([
        // The connection that was served.
        (owned(&[("device_key.transport", "in_process")]), 0),
        (owned(&[("device_key.transport", "stdio")]), 0),
        (owned(&[("device_key.transport", "unix_socket")]), 2),
    ]);
    assert_eq!(values(&metrics["device_key.connections"]), open);
}

#[test]
fn headers_are_sent_and_stay_out_of_the_log() {
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20header-secret,x-a=b");
    let collector = Collector::start(500);
    let variables = [headers, (ENDPOINT, collector.address()), ("RUST_LOG", "trace")];
    let output = child::run(SESSION, &variables);
    for path in ["/v1/traces", "/v1/metrics"] {
        let received = collector.next(path);
        assert_eq!(received.headers["authorization"], "Bearer header-secret");
        assert_eq!(received.headers["x-a"], "b");
        assert_eq!(format!("http://{}", received.headers["host"]), collector.address());
    }
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains("header-secret"), "{log}");
}

#[test]
fn the_service_has_its_own_name_unless_the_environment_gives_one() {
    let resource = |variables: &[(&str, &str)]| {
        let request: ExportTraceServiceRequest = exported(variables).0.message();
        texts(&request.resource_spans[0].resource.as_ref().unwrap().attributes)
    };
    let ours = resource(&[]);
    assert_eq!((&*ours["service.name"], &*ours["service.version"]), ("device-key", "1.2.3"));
    assert_eq!(resource(&[("OTEL_SERVICE_NAME", "a")])["service.name"], "a");
    let given = resource(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,host.name=c")]);
    assert_eq!((&*given["service.name"], &*given["host.name"]), ("b", "c"));
}

#[test]
fn one_signal_may_go_to_another_collector() {
    let (common, own) = (Collector::start(200), Collector::start(200));
    let traces_to = format!("{}/in", own.address());
    let variables =
        [(ENDPOINT, common.address()), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*traces_to)];
    child::run(SESSION, &variables);
    let paths = |collector: &Collector| {
        collector.all().into_iter().map(|received| received.path).collect::<HashSet<_>>()
    };
    assert_eq!(paths(&common), HashSet::from(["/v1/metrics".to_owned()]));
    assert_eq!(paths(&own), HashSet::from(["/in".to_owned()]));
}

#[test]
fn the_sampler_of_the_environment_decides_what_is_traced() {
    let collector = Collector::start(200);
    let variables = [(ENDPOINT, collector.address()), ("OTEL_TRACES_SAMPLER", "always_off")];
    child::run(SESSION, &variables);
    assert!(collector.all().iter().all(|received| received.path == "/v1/metrics"));
}
