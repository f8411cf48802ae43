//! If no variable asks for an export, telemetry sends nothing and starts nothing.

use device_key_telemetry::{LevelFilter, ServiceIdentity, Settings};

use crate::child::{self, ENDPOINT};
use crate::collector::Collector;

const SESSION: &str = "serving::one_session";
const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";

/// Whether the start of telemetry left the child's threads and open files as they were.
fn started_nothing(output: &[u8]) -> bool {
    let text = str::from_utf8(output).unwrap();
    text.lines().find_map(|line| line.strip_prefix("started nothing: ")).unwrap().parse().unwrap()
}

#[test]
fn without_a_variable_there_is_no_thread_and_no_open_file() {
    assert!(started_nothing(&child::run(SESSION, &[]).stdout));
}

#[test]
fn a_disabled_export_sends_nothing() {
    for off in [
        &[("OTEL_SDK_DISABLED", "true")][..],
        &[(TRACES_EXPORTER, "none"), (METRICS_EXPORTER, "none")],
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    ] {
        let collector = Collector::start(200);
        // An event would start the thread that writes the log.
        let others = [(ENDPOINT, collector.address()), ("RUST_LOG", "off")];
        let variables: Vec<_> = off.iter().copied().chain(others).collect();
        let output = child::run(SESSION, &variables);
        assert!(started_nothing(&output.stdout), "{off:?}");
        assert!(collector.all().is_empty(), "{off:?}");
    }
}

#[test]
fn an_export_starts_threads() {
    let collector = Collector::start(200);
    let output = child::run(SESSION, &[(ENDPOINT, collector.address())]);
    assert!(!started_nothing(&output.stdout));
}

#[test]
fn an_unsupported_setting_is_logged_once() {
    let variables = [
        ("FORMAT", "json"),
        (ENDPOINT, "http://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let lines = child::json_lines(&child::run(SESSION, &variables).stderr);
    let named: Vec<_> = lines.iter().filter_map(|line| line.get("variable")?.as_str()).collect();
    assert_eq!(named, ["OTEL_EXPORTER_OTLP_PROTOCOL"]);
}

#[test]
fn telemetry_does_not_start_with_an_unsupported_collector_address() {
    let service = ServiceIdentity { name: "device-key", version: "0" };
    let code = |endpoint: &str| {
        let environment = |name: &str| (name == ENDPOINT).then(|| endpoint.to_owned());
        let error = Settings::read(service, None, LevelFilter::INFO, environment).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        error.code()
    };
    assert_eq!(code("https://secret:4318"), "endpoint_needs_tls");
    assert_eq!(code("http://secret:4318"), "endpoint_needs_look_up");
    assert_eq!(code("http://secret:secret@[::1]:4318"), "endpoint_holds_credentials");
}
