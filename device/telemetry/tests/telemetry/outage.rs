//! A collector that fails, stalls or is absent.

use std::process::Stdio;

use serde_json::Value;

use crate::child::{self, ENDPOINT};
use crate::collector::{Collector, STALLED};

/// Settings with which the signals are exported as often as possible.
const OFTEN: [(&str, &str); 3] =
    [("FORMAT", "json"), ("OTEL_BSP_SCHEDULE_DELAY", "10"), ("OTEL_METRIC_EXPORT_INTERVAL", "10")];

/// More than a busy machine needs, and less than the 10 s that one export takes with a stalled
/// collector.
const SERVED_WITHIN_MS: u64 = 9_000;

/// The child allows 600 ms for the shutdown. The exporters alone would take 5 s.
const ENDED_WITHIN_MS: u64 = 3_000;

fn milliseconds(stdout: &[u8], what: &str) -> u64 {
    let text = str::from_utf8(stdout).unwrap();
    let prefix = format!("{what} in ms: ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
}

/// The number of lines with this level about this signal.
fn count(lines: &[Value], level: &str, signal: &str) -> usize {
    lines.iter().filter(|line| line["level"] == level && line["signal"] == signal).count()
}

#[test]
fn an_outage_and_its_end_are_logged_once_each() {
    // The exporter does not retry after this status.
    let collector = Collector::start(400);
    let variables: Vec<_> = OFTEN.into_iter().chain([(ENDPOINT, collector.address())]).collect();
    let mut command =
        child::command("serving::sessions_until_the_parent_closes_standard_input", &variables);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    for _ in 0..3 {
        collector.next("/v1/traces");
        collector.next("/v1/metrics");
    }
    collector.answer_with(200);
    for _ in 0..3 {
        collector.next("/v1/traces");
        collector.next("/v1/metrics");
    }
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = child::json_lines(&output.stderr);
    for signal in ["traces", "metrics"] {
        assert_eq!(count(&lines, "WARN", signal), 1, "{lines:?}");
        assert_eq!(count(&lines, "INFO", signal), 1, "{lines:?}");
    }
}

#[test]
fn a_stalled_collector_delays_no_request_and_only_briefly_the_shutdown() {
    let collector = Collector::start(STALLED);
    serve_with_bad_collector(collector.address());
    assert!(!collector.all().is_empty());
}

#[test]
fn an_absent_collector_delays_no_request_and_only_briefly_the_shutdown() {
    serve_with_bad_collector(&Collector::absent_address());
}

fn serve_with_bad_collector(address: &str) {
    // The sessions fill this queue many times over.
    let variables: Vec<_> = OFTEN
        .into_iter()
        .chain([(ENDPOINT, address), ("OTEL_BSP_MAX_QUEUE_SIZE", "600")])
        .collect();
    let output = child::run("serving::sessions_with_a_bad_collector", &variables);
    let (served, ended) =
        (milliseconds(&output.stdout, "served"), milliseconds(&output.stdout, "ended"));
    assert!(served < SERVED_WITHIN_MS, "{served} ms");
    assert!(ended < ENDED_WITHIN_MS, "{ended} ms");
    let lines = child::json_lines(&output.stderr);
    for signal in ["traces", "metrics"] {
        assert_eq!(count(&lines, "WARN", signal), 1, "{lines:?}");
    }
}
