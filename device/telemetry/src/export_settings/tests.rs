//! Tests of how the `OTEL_*` variables are read.

use super::*;

fn read(variables: &[(&str, &str)]) -> ExportSettings {
    ExportSettings::read(&|name| {
        variables.iter().find_map(|(set, value)| (*set == name).then(|| (*value).to_owned()))
    })
    .unwrap()
}

/// The addresses for traces and for metrics.
fn urls(variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let settings = read(variables);
    let url = |destination: Option<Destination>| Some(destination?.endpoint.url());
    (url(settings.traces), url(settings.metrics))
}

fn ignored(variables: &[(&str, &str)]) -> Vec<&'static str> {
    read(variables).ignored.into_iter().map(|ignored| ignored.variable).collect()
}

const ANYWHERE: (&str, &str) = (ENDPOINT, "http://127.0.0.1:9");

#[test]
fn nothing_is_exported_unless_asked_for() {
    for variables in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "x")],
        &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none"), ANYWHERE],
        &[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "otlp"), ANYWHERE],
        &[("OTEL_TRACES_EXPORTER", "console")],
    ] {
        assert_eq!(urls(variables), (None, None), "{variables:?}");
    }
}

#[test]
fn a_signal_uses_its_own_address_or_the_common_one() {
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(
        urls(&[ANYWHERE]),
        (of("http://127.0.0.1:9/v1/traces"), of("http://127.0.0.1:9/v1/metrics"))
    );
    assert_eq!(
        urls(&[ANYWHERE, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:8/in")]),
        (of("http://127.0.0.1:8/in"), of("http://127.0.0.1:9/v1/metrics"))
    );
    assert_eq!(
        urls(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:8/in")]),
        (None, of("http://127.0.0.1:8/in"))
    );
    assert_eq!(
        urls(&[("OTEL_TRACES_EXPORTER", "console,otlp")]),
        (of("http://localhost:4318/v1/traces"), None)
    );
}

#[test]
fn unsupported_settings_are_recorded() {
    assert_eq!(ignored(&[ANYWHERE, (PROTOCOL, "http/protobuf"), (COMPRESSION, "none")]), [""; 0]);
    assert_eq!(ignored(&[ANYWHERE, (PROTOCOL, "http/json")]), [PROTOCOL]);
    assert_eq!(
        ignored(&[ANYWHERE, (COMPRESSION, "gzip"), (TIMEOUT, "soon")]),
        [COMPRESSION, TIMEOUT]
    );
    assert_eq!(ignored(&[("OTEL_TRACES_EXPORTER", "console,otlp")]), ["OTEL_TRACES_EXPORTER"]);
}

#[test]
fn grpc_is_recorded_and_exports_nothing() {
    let settings = [ANYWHERE, (PROTOCOL, "grpc")];
    assert_eq!(ignored(&settings), [PROTOCOL]);
    assert_eq!(urls(&settings), (None, None));
    let only_traces = [ANYWHERE, (PROTOCOL, "grpc"), (METRICS.protocol, "http/protobuf")];
    assert_eq!(urls(&only_traces), (None, Some("http://127.0.0.1:9/v1/metrics".to_owned())));
}

#[test]
fn a_timeout_is_in_milliseconds() {
    let timeout = |variables: &[(&str, &str)]| read(variables).traces.unwrap().timeout;
    assert_eq!(timeout(&[ANYWHERE]), Duration::from_secs(10));
    assert_eq!(timeout(&[ANYWHERE, (TIMEOUT, "250")]), Duration::from_millis(250));
    let both = [ANYWHERE, (TIMEOUT, "250"), (TRACES.timeout, "70")];
    assert_eq!(timeout(&both), Duration::from_millis(70));
    assert_eq!(timeout(&[ANYWHERE, (TIMEOUT, "0")]), Duration::from_secs(10));
}
