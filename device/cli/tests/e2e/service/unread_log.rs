//! A service whose log nobody reads.

use std::fs;
use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, Service};
use crate::program::{PATIENCE, collect};
use crate::proof::Key;
use crate::server::reason;

/// More signatures than one user's share of the log's room and the pipe have events.
const SIGNATURES: usize = 10_000;

fn key(client: &mut Client) -> Key {
    let answer =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    Key::of_any_class("account", "client", &answer)
}

/// Signs until the service refuses. Returns the number of signatures and the refusal.
fn sign_until_refused(client: &mut Client, key: &Key) -> (usize, Option<Value>) {
    let params = key.sign_params();
    for signed in 0..SIGNATURES {
        let answer = client.call("device/key/sign", &params);
        if answer.get("error").is_some() {
            return (signed, Some(answer));
        }
    }
    (SIGNATURES, None)
}

fn spawn(installation: &Installation, configuration: &str) -> Service {
    let configuration = installation.configure(configuration);
    let mut command = installation.service();
    command.args(["--provider", "os", "--listen", &installation.listen(), "--config"]);
    Service::start_unread(command.arg(configuration).env("RUST_LOG", "off"))
}

#[test]
fn a_user_whose_events_have_no_room_is_refused_and_others_are_not() {
    let installation = Installation::new();
    let mut service = spawn(&installation, "");
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let key = key(&mut client);
    let (signed, refusal) = sign_until_refused(&mut client, &key);
    assert_eq!(refusal.as_ref().map(reason), Some("overloaded"));
    // What only reads needs no room, and other users have room.
    assert!(client.call("device/key/public", &json!({"keyId": key.id}))["result"].is_object());
    let mut other = Client::connect(&installation.socket(), CLIENT + 1);
    other.create();

    // Every signature is in the log, and there is room again once the log is read.
    let mut log = BufReader::new(service.unread_log()).lines().map(Result::unwrap);
    let is_signature = |line: &String| line.contains("device/key/sign") && line.contains("\"ok\"");
    let read = log.by_ref().filter(is_signature).take(signed).count();
    assert_eq!(read, signed);
    let rest = std::thread::spawn(move || log.count());
    let begun = std::time::Instant::now();
    while client.call("device/key/sign", &key.sign_params()).get("error").is_some() {
        assert!(begun.elapsed() < PATIENCE, "the room is not given back");
    }
    drop((client, other));
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
    assert!(rest.join().unwrap() > 0);
}

#[test]
fn an_operator_may_prefer_signatures_to_audit_events() {
    let installation = Installation::new();
    let mut service = spawn(&installation, "audit.when_full = \"drop\"");
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let key = key(&mut client);
    assert_eq!(sign_until_refused(&mut client, &key), (SIGNATURES, None));
    let log = collect(service.unread_log());
    drop(client);
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
    let log = String::from_utf8(log.join().unwrap()).unwrap();
    let dropped: usize =
        log.lines().filter_map(|line| line.rsplit_once("dropped=")?.1.parse::<usize>().ok()).sum();
    let logged = log.lines().filter(|line| line.contains("device/key/sign")).count();
    assert_eq!(logged + dropped, SIGNATURES, "{dropped}");
}

/// Nobody reads the log and the service is asked to stop.
#[test]
fn the_service_stops() {
    let installation = Installation::new();
    let mut service = spawn(&installation, "");
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let key = key(&mut client);
    sign_until_refused(&mut client, &key);
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
}

/// The thread that writes the log starts after the hardening, which holds for it too.
#[test]
fn the_thread_of_the_log_is_hardened() {
    let installation = Installation::new();
    let service = Service::start(installation.service().args([
        "--provider",
        "os",
        "--listen",
        &installation.listen(),
    ]));
    let mut client = Client::connect(&installation.socket(), CLIENT);
    client.create();
    let tasks = fs::read_dir(format!("/proc/{}/task", service.id())).unwrap();
    let statuses: Vec<String> = tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap())
        .collect();
    assert!(statuses.iter().any(|status| status.starts_with("Name:\tlog\n")), "{statuses:?}");
    for status in statuses {
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    }
    drop(client);
    service.stop();
}
