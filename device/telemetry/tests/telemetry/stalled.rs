//! Standard error that nobody reads, or that cannot be written.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use device_key_telemetry::{AuditQueue, Telemetry, WhenFull};
use device_key_testing::ended;
use serde_json::Value;
use tracing::info;

use crate::child;

/// More lines than a pipe and the queue take together.
const EVENTS: u64 = 20_000;

/// How long each step may take. A busy machine needs far less.
const PATIENCE: Duration = Duration::from_mins(1);

/// A child whose standard error is not read until the test asks for it.
struct Stalled {
    child: Child,
    said: Receiver<String>,
}

impl Stalled {
    fn start(test: &str) -> Self {
        let mut command = child::command(test, &[("FORMAT", "json")]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let said = lines_of(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Waits until the child says this word.
    fn await_word(&self, word: &str) {
        while self.said.recv_timeout(PATIENCE).expect(word) != word {}
    }

    /// Lets the child take its next step.
    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Starts to read standard error.
    fn read(&mut self) -> Receiver<Value> {
        let stderr = self.child.stderr.take().unwrap();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        events
    }

    /// The child must end without its standard error being read.
    fn end(mut self) {
        drop(self.child.stdin.take());
        // The output ends with the process.
        while self.said.recv_timeout(PATIENCE).is_ok() {}
        assert!(ended(&mut self.child).success());
    }
}

fn lines_of(stream: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// In the child: says a word and waits for the parent.
fn say_and_wait(word: &str) {
    println!("\n{word}");
    // At the end of the input, the parent waits for the end of the child.
    let _ = std::io::stdin().read(&mut [0]).unwrap();
}

fn log_audit_event(audit: &AuditQueue, owner: u32, number: u64) {
    audit.log(Some(owner), || info!(target: "audit", owner, number));
}

/// In the child: reserves and uses room until there is none. Returns how many events were logged.
fn fill(audit: &AuditQueue, owner: u32) -> u64 {
    let mut logged = 0;
    while logged < EVENTS && audit.reserve(Some(owner)) {
        log_audit_event(audit, owner, logged);
        logged += 1;
    }
    logged
}

fn await_condition(what: &str, is_true: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn end_quickly(telemetry: Telemetry) {
    let begun = Instant::now();
    telemetry.shutdown(Duration::ZERO);
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
}

#[test]
#[ignore = "runs in a child"]
fn many_events() {
    let Some(telemetry) = child::telemetry() else { return };
    for number in 0..EVENTS {
        info!(number);
    }
    say_and_wait("logged");
    end_quickly(telemetry);
}

#[test]
fn events_that_do_not_fit_are_dropped_and_counted() {
    let mut child = Stalled::start("stalled::many_events");
    child.await_word("logged");
    let events = child.read();
    let mut numbers = Vec::new();
    let mut dropped = 0;
    while dropped == 0 {
        let event = events.recv_timeout(PATIENCE).expect("a report of dropped events");
        numbers.extend(event["number"].as_u64());
        dropped += event["dropped"].as_u64().unwrap_or_default();
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(u64::try_from(numbers.len()).unwrap() + dropped, EVENTS);
    child.end();
}

#[test]
fn nobody_waits_for_a_reader_at_the_end() {
    let mut child = Stalled::start("stalled::many_events");
    child.await_word("logged");
    child.go_on();
    child.end();
}

#[test]
#[ignore = "runs in a child"]
fn audit_events_that_must_be_kept() {
    let Some(telemetry) = child::telemetry() else { return };
    let audit = telemetry.audit_queue(WhenFull::Refuse);
    // Other events do not take the room of audit events, nor the other way round.
    for number in 0..EVENTS {
        info!(number);
    }
    let of_first = fill(&audit, 1);
    let of_second = fill(&audit, 2);
    assert!((1000..EVENTS).contains(&of_first), "{of_first}");
    assert!((of_first / 3..of_first).contains(&of_second), "{of_first} {of_second}");
    assert!(audit.reserve(None), "a third user has room");
    assert!(!audit.reserve(Some(1)));
    audit.give_back(None);
    say_and_wait(&format!("kept {of_first} {of_second}"));
    await_condition("room for the first user", || audit.reserve(Some(1)));
    log_audit_event(&audit, 1, of_first);
    say_and_wait("again");
    end_quickly(telemetry);
}

#[test]
fn an_audit_event_with_room_is_never_dropped() {
    let mut child = Stalled::start("stalled::audit_events_that_must_be_kept");
    let kept = loop {
        let word = child.said.recv_timeout(PATIENCE).expect("the numbers");
        if let Some(kept) = word.strip_prefix("kept ") {
            break kept.to_owned();
        }
    };
    let kept: Vec<u64> = kept.split(' ').map(|number| number.parse().unwrap()).collect();
    let events = child.read();
    child.go_on();
    let mut logged: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    // The last event of the first user has the number of the events before.
    while logged.get(&1).and_then(|numbers| numbers.last()) != Some(&kept[0]) {
        let event = events.recv_timeout(PATIENCE).expect("an audit event");
        if event["target"] == "audit" {
            assert!(event["dropped"].is_null(), "{event}");
            let number = |field: &str| event[field].as_u64().unwrap();
            logged.entry(number("owner")).or_default().push(number("number"));
        }
    }
    assert_eq!(logged[&1], (0..=kept[0]).collect::<Vec<_>>());
    assert_eq!(logged[&2], (0..kept[1]).collect::<Vec<_>>());
    child.await_word("again");
    child.go_on();
    child.end();
}

#[test]
#[ignore = "runs in a child"]
fn audit_events_that_may_be_dropped() {
    let Some(telemetry) = child::telemetry() else { return };
    let audit = telemetry.audit_queue(WhenFull::Drop);
    assert_eq!(fill(&audit, 1), EVENTS);
    say_and_wait("logged");
    end_quickly(telemetry);
}

#[test]
fn audit_events_that_are_dropped_are_counted() {
    let mut child = Stalled::start("stalled::audit_events_that_may_be_dropped");
    child.await_word("logged");
    let events = child.read();
    let (mut logged, mut dropped) = (0, 0);
    while dropped == 0 {
        let event = events.recv_timeout(PATIENCE).expect("a report of dropped events");
        assert_eq!(event["target"], "audit", "{event}");
        logged += u64::from(event["number"].is_u64());
        dropped += event["dropped"].as_u64().unwrap_or_default();
    }
    assert_eq!(logged + dropped, EVENTS);
    child.end();
}

#[test]
#[ignore = "runs in a child"]
fn audit_events_on_a_full_disk() {
    let Some(telemetry) = child::telemetry() else { return };
    let kept = telemetry.audit_queue(WhenFull::Refuse);
    assert!((1000..EVENTS).contains(&fill(&kept, 1)));
    let dropped = telemetry.audit_queue(WhenFull::Drop);
    assert_eq!(fill(&dropped, 2), EVENTS);
    end_quickly(telemetry);
}

#[test]
fn an_audit_event_that_cannot_be_written_keeps_its_room() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = child::command("stalled::audit_events_on_a_full_disk", &[]);
    let output = command.stderr(full).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
