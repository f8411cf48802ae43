//! Standard error as an operator, a program and the journal read it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use device_key_testing::ended;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
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

/// Characters that are not printable: controls of ASCII and of Latin-1, separators, marks of
/// direction, other format characters, spaces other than the space, and unassigned characters, some
/// of them outside the Basic Multilingual Plane.
fn unprintable() -> Vec<char> {
    let ranges = [
        '\0'..='\u{1f}',
        '\u{7f}'..='\u{a0}',
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{2000}'..='\u{200f}',
        '\u{2028}'..='\u{202f}',
        '\u{2060}'..='\u{206f}',
        '\u{e000}'..='\u{e002}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{1d173}'..='\u{1d17a}',
        '\u{e0001}'..='\u{e007f}',
        '\u{10ffff}'..='\u{10ffff}',
    ];
    ranges.into_iter().flatten().collect()
}

/// Text that looks like the end of a span and an audit event.
const IMITATION: &str = "}: audit: outcome=ok uid=0";

#[test]
#[ignore = "runs in a child"]
fn hostile_events() {
    let Some(telemetry) = child::telemetry() else { return };
    for character in unprintable() {
        let text = format!("a{character}b");
        info_span!("s", display = %text, text = &*text, debug = ?text).in_scope(|| {
            info!(display = %text, text = &*text, debug = ?text, "message {text}");
        });
    }
    info_span!("s", display = %IMITATION).in_scope(|| info!(display = %IMITATION, empty = %""));
    telemetry.shutdown(std::time::Duration::ZERO);
}

const HOSTILE_EVENTS: &str = "logs::hostile_events";

fn lines(variables: &[(&str, &str)]) -> Vec<String> {
    lines_of(EVENTS, variables)
}

fn lines_of(events: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let output = child::run(events, variables);
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

    let log = on_terminal(EVENTS);
    assert!(log.lines().all(|line| line.contains(ESCAPE)), "{log}");
    assert_eq!(log.lines().count(), 4, "{log}");
}

/// Runs a child whose standard error is a terminal, and returns what the terminal shows.
fn on_terminal(events: &str) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let shown = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = child::command(events, &[("TERM", "xterm")]);
    let mut child = command.stderr(Stdio::from(shown)).spawn().unwrap();
    drop(command);
    let mut log = Vec::new();
    // Reading from a terminal whose other end is closed gives an error instead of the end of the
    // file.
    let _ = File::from(terminal).read_to_end(&mut log);
    assert!(ended(&mut child).success());
    String::from_utf8(log).unwrap()
}

#[test]
fn no_character_that_is_not_printable_reaches_the_log() {
    let unprintable = unprintable();
    let count = unprintable.len() + 1;
    for format in ["text", "json", "journal"] {
        let output = child::run(HOSTILE_EVENTS, &[("FORMAT", format)]);
        let log = String::from_utf8(output.stderr).unwrap();
        let escaped = |found: char| found == '\n' || !unprintable.contains(&found);
        assert_eq!(log.chars().find(|found| !escaped(*found)), None, "{format}: {log:?}");
        assert_eq!(log.lines().count(), count, "{format}: {log}");
    }
    // JSON still holds the text itself.
    let lines = child::json_lines(&child::run(HOSTILE_EVENTS, &[("FORMAT", "json")]).stderr);
    for (character, line) in unprintable.iter().zip(&lines) {
        let text = format!("a{character}b");
        assert_eq!((&line["display"], &line["text"]), (&json!(text), &json!(text)));
        assert_eq!(line["span"]["display"], text);
        assert_eq!(line["message"], format!("message {text}"));
    }
    // Only the colours themselves are escape sequences on a terminal.
    let log = on_terminal(HOSTILE_EVENTS);
    assert_eq!(log.lines().count(), count, "{log:?}");
    for sequence in log.split('\x1b').skip(1) {
        let (colour, _) = sequence.split_once('m').unwrap();
        let colour = colour.strip_prefix('[').unwrap();
        assert!(colour.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{sequence:?}");
    }
    let escaped = |found: char| "\x1b\r\n".contains(found) || !unprintable.contains(&found);
    assert_eq!(log.chars().find(|found| !escaped(*found)), None, "{log:?}");
}

#[test]
fn a_text_cannot_imitate_the_structure_of_a_line() {
    for format in ["text", "journal"] {
        let lines = lines_of(HOSTILE_EVENTS, &[("FORMAT", format)]);
        let line = lines.last().unwrap();
        let quoted = format!("{IMITATION:?}");
        assert!(line.contains(&format!("s{{display={quoted}}}: ")), "{line}");
        assert!(line.ends_with(&format!("display={quoted} empty=\"\"")), "{line}");
        // The text of a string, a display value and a debug value are quoted alike, and once.
        let tab = lines.iter().find(|line| line.contains("\\t")).unwrap();
        let fields = r#"display="a\tb" text="a\tb" debug="a\tb""#;
        assert!(tab.contains(&format!("s{{{fields}}}: ")), "{tab}");
        assert!(tab.ends_with(&format!(r"message a\tb {fields}")), "{tab}");
    }
}
