//! Standard error as an operator, a program and the journal read it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tracing::{debug, error, info, info_span, warn};

use crate::child;

const EVENTS: &str = "logs::some_events";

#[test]
#[ignore = "runs in a child"]
fn some_events() {
    let Some(telemetry) = child::telemetry() else { return };
    info!(target: "audit", method = "m", outcome = "o");
    debug!(target: "audit", "a detail of an audit event");
    info_span!("outer", field = 1).in_scope(|| info!("an info"));
    debug!("a debug");
    warn!("a warning");
    error!(cause = %"a\r\n<0>forged", "an error\nwith two lines");
    telemetry.shutdown(std::time::Duration::ZERO);
}

fn lines(variables: &[(&str, &str)]) -> Vec<String> {
    let output = child::run(EVENTS, variables);
    String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
}

fn targets_and_levels(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let variables: Vec<_> = variables.iter().copied().chain([("FORMAT", "json")]).collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    child::json_lines(&child::run(EVENTS, &variables).stderr)
        .iter()
        .map(|line| (text(&line["target"]), text(&line["level"])))
        .collect()
}

/// A stream like the journal's: the end that the journal reads, the end that becomes standard
/// error, and the value of `JOURNAL_STREAM` for that end.
fn journal() -> (UnixStream, OwnedFd, String) {
    let (journal, standard_error) = UnixStream::pair().unwrap();
    let stat = fstat(&standard_error).unwrap();
    (journal, standard_error.into(), format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[test]
fn an_audit_event_is_logged_whatever_is_filtered() {
    let audit = [("audit".to_owned(), "INFO".to_owned())];
    assert_eq!(targets_and_levels(&[("RUST_LOG", "off")]), audit);
    assert_eq!(targets_and_levels(&[("RUST_LOG", "audit=off")]), audit);
    assert_eq!(targets_and_levels(&[("RUST_LOG", "error")]).len(), 2);
}

#[test]
fn the_default_is_info_and_the_filter_may_ask_for_more() {
    let levels = |variables: &[(&str, &str)]| {
        targets_and_levels(variables).into_iter().map(|(_, level)| level).collect::<Vec<_>>()
    };
    assert_eq!(levels(&[]), ["INFO", "INFO", "WARN", "ERROR"]);
    assert_eq!(
        levels(&[("RUST_LOG", "debug")]),
        ["INFO", "DEBUG", "INFO", "DEBUG", "WARN", "ERROR"]
    );
}

#[test]
fn json_holds_fields_and_spans() {
    let lines = child::json_lines(&child::run(EVENTS, &[("FORMAT", "json")]).stderr);
    assert_eq!((&lines[0]["method"], &lines[0]["outcome"]), (&"m".into(), &"o".into()));
    assert!(lines.iter().all(|line| line["timestamp"].is_string()));
    assert_eq!(lines[1]["span"]["name"], "outer");
    assert_eq!(lines[1]["span"]["field"], 1);
}

#[test]
fn an_event_stays_on_its_line() {
    for format in ["text", "json", "journal"] {
        let lines = lines(&[("FORMAT", format)]);
        assert_eq!(lines.len(), 4, "{format}: {lines:?}");
        assert!(lines.iter().all(|line| !line.contains('\r')), "{format}: {lines:?}");
    }
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    let lines = lines(&[("FORMAT", "journal")]);
    let priorities: Vec<_> = lines.iter().map(|line| &line[..3]).collect();
    assert_eq!(priorities, ["<5>", "<6>", "<4>", "<3>"]);
    assert!(lines[0].starts_with("<5>audit: "), "{lines:?}");
    let debug = self::lines(&[("FORMAT", "journal"), ("RUST_LOG", "debug")]);
    assert!(debug.iter().any(|line| line.starts_with("<7>")), "{debug:?}");
}

#[test]
fn the_journal_is_recognised_by_its_stream() {
    let (mut journal, standard_error, stream) = journal();
    let mut command = child::command(EVENTS, &[("JOURNAL_STREAM", &stream)]);
    let status = command.stderr(standard_error).status().unwrap();
    assert!(status.success());
    // The command holds the child's end of the stream too.
    drop(command);
    let mut log = String::new();
    journal.read_to_string(&mut log).unwrap();
    assert_eq!(log.lines().count(), 4, "{log}");
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
}

#[test]
fn a_stream_that_is_not_the_journal_gets_text() {
    let (_journal, _standard_error, stream) = journal();
    for other in [&*stream, "", "1", "x:y", "18446744073709551616:1"] {
        let lines = lines(&[("JOURNAL_STREAM", other)]);
        assert!(lines.iter().all(|line| !line.starts_with('<')), "{lines:?}");
    }
    // The journal gets text too, if the text format is chosen.
    let (mut stream_of_journal, standard_error, stream) = journal();
    let mut command = child::command(EVENTS, &[("JOURNAL_STREAM", &stream), ("FORMAT", "text")]);
    assert!(command.stderr(standard_error).status().unwrap().success());
    drop(command);
    let mut log = String::new();
    stream_of_journal.read_to_string(&mut log).unwrap();
    assert!(log.lines().all(|line| !line.starts_with('<')), "{log}");
}

#[test]
fn a_pipe_is_not_coloured_and_a_terminal_is() {
    const ESCAPE: char = '\x1b';
    assert!(lines(&[("TERM", "xterm")]).iter().all(|line| !line.contains(ESCAPE)));

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let shown = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = child::command(EVENTS, &[("TERM", "xterm")]);
    assert!(command.stderr(Stdio::from(shown)).status().unwrap().success());
    drop(command);
    let mut log = Vec::new();
    // Reading from a terminal whose other end is closed gives an error instead of the end of the
    // file.
    let _ = File::from(terminal).read_to_end(&mut log);
    let log = String::from_utf8(log).unwrap();
    assert!(log.lines().all(|line| line.contains(ESCAPE)), "{log}");
    assert_eq!(log.lines().count(), 4, "{log}");
}
