//! A service that may have few file descriptors keeps those that it needs itself. It refuses
//! clients that are too many, and neither spins nor closes open connections.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::reload::{await_event, lines};
use super::{CLIENT, Client, Installation, SERVICE, Service, binding, connect_as};
use crate::program::PATIENCE;

const CLIENTS: usize = 60;
/// How long the test measures the service while it is short of descriptors.
const WHILE: Duration = Duration::from_secs(2);
/// Clock ticks in that time (`USER_HZ`, time(7)).
const TICKS: u64 = 200;

/// User and system time in clock ticks (`proc_pid_stat(5)`, fields 14 and 15).
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The service with limits of the shell's `ulimit`.
fn limited(installation: &Installation, limits: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.env_clear().uid(SERVICE).gid(SERVICE).current_dir("/");
    command.args(["-c", &format!("{limits} && exec \"$@\""), "sh"]).arg(installation.program());
    command.args(["app-server", "--service", "--provider", "os", "--home"]);
    command.arg(installation.home()).args(["--listen", &installation.listen()]);
    command
}

fn start(installation: &Installation, limits: &str) -> Service {
    Service::start(&mut limited(installation, limits))
}

/// Asks for the handshake. Returns the answer, or what the service says instead of one.
fn handshake(stream: &UnixStream) -> Value {
    let request = json!({
        "id": 0, "method": "initialize",
        "params": {"clientInfo": {"name": "e2e", "version": "0"}},
    });
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The write fails if the service has refused the connection already.
    let _ = { stream }.write_all(format!("{request}\n").as_bytes());
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer in time");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let installation = Installation::new();
    let service = start(&installation, "ulimit -Sn 40 && ulimit -Hn 1024");
    let clients: Vec<UnixStream> =
        (0..CLIENTS).map(|_| connect_as(&installation.socket(), CLIENT)).collect();
    for client in &clients {
        let answer = handshake(client);
        assert!(answer["result"].is_object(), "{answer}");
    }
    drop(clients);
    service.stop();
}

#[test]
fn a_shortage_of_descriptors_refuses_new_clients_and_closes_no_open_connection() {
    for limit in ["96", "40"] {
        let installation = Installation::new();
        let socket = installation.socket();
        let service = start(&installation, &format!("ulimit -n {limit}"));
        let mut served = Client::connect(&socket, CLIENT);

        let clients: Vec<UnixStream> = (0..CLIENTS).map(|_| connect_as(&socket, CLIENT)).collect();
        let answers: Vec<Value> = clients.iter().map(handshake).collect();
        let refused = |answer: &&Value| answer["error"]["data"]["reason"] == "overloaded";
        assert!(answers.iter().any(|answer| answer["result"].is_object()), "{limit}");
        assert!(answers.iter().any(|answer| refused(&answer)), "{limit}");
        assert!(answers.iter().all(|answer| answer["result"].is_object() || refused(&answer)));

        let last = connect_as(&socket, CLIENT);
        assert!(refused(&&handshake(&last)), "{limit}");
        let before = ticks(service.id());
        sleep(WHILE);
        let spent = ticks(service.id()) - before;
        assert!(spent < TICKS / 4, "{spent} of {TICKS} ticks spent on waiting");
        let answer =
            served.call("device/key/create", &binding("allow_os_protected_nonextractable"));
        assert!(answer["result"].is_object(), "{limit}: {answer}");

        drop((clients, last));
        let begun = Instant::now();
        while !handshake(&connect_as(&socket, CLIENT))["result"].is_object() {
            assert!(begun.elapsed() < PATIENCE, "there is room now");
        }
        drop(served);
        service.stop();
    }
}

#[test]
fn a_reload_keeps_the_descriptors_that_the_service_needs() {
    let installation = Installation::new();
    let socket = installation.socket();
    let mut command = limited(&installation, "ulimit -n 96");
    command.args(["--log-format", "json", "--config"]);
    command.arg(installation.configure("limits.connections_per_user = 512"));
    let mut service = Service::start_unread(&mut command);
    let log = lines(BufReader::new(service.unread_log()));
    let mut served = Client::connect(&socket, CLIENT);
    service.signal(Signal::HUP);
    let outcome = await_event(&log, |event| event["target"] == "device_key::app_server::reload");
    assert_eq!(outcome["level"], "INFO", "{outcome}");

    let clients: Vec<UnixStream> = (0..2 * CLIENTS).map(|_| connect_as(&socket, CLIENT)).collect();
    for client in &clients {
        handshake(client);
    }
    let answer = served.call("device/key/create", &binding("allow_os_protected_nonextractable"));
    assert!(answer["result"].is_object(), "{answer}");
    drop((clients, served));
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
}
