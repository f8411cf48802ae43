//! A service without free file descriptors waits until descriptors are free, and does not spin or
//! close connections.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::{CLIENT, Client, Installation, SERVICE, Service, connect_as};

/// More descriptors than the service itself needs, and fewer than all the clients need.
const DESCRIPTORS: &str = "40";
const CLIENTS: usize = 60;
/// How long a client waits while the test measures the service.
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

fn handshake(stream: &UnixStream) {
    let request = json!({
        "id": 0, "method": "initialize",
        "params": {"clientInfo": {"name": "e2e", "version": "0"}},
    });
    let mut stream = stream;
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
}

#[test]
fn a_shortage_of_descriptors_closes_no_open_connection() {
    let installation = Installation::new();
    let socket = installation.socket();
    let mut command = Command::new("/bin/sh");
    command.env_clear().uid(SERVICE).gid(SERVICE).current_dir("/");
    command
        .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", DESCRIPTORS])
        .arg(installation.program());
    command.args(["app-server", "--service", "--provider", "os", "--home"]);
    command.arg(installation.home()).args(["--listen", &installation.listen()]);
    let service = Service::start(&mut command);
    let mut served = Client::connect(&socket, CLIENT);

    let waiting: Vec<UnixStream> =
        (0..CLIENTS).map(|_| connect_as(&socket, CLIENT)).inspect(handshake).collect();
    let last = waiting.last().unwrap();
    let before = ticks(service.id());
    last.set_read_timeout(Some(WHILE)).unwrap();
    let unanswered = (&*last).read(&mut [0]).unwrap_err();
    assert_eq!(unanswered.kind(), ErrorKind::WouldBlock, "there is no room for it");
    let spent = ticks(service.id()) - before;
    assert!(spent < TICKS / 4, "{spent} of {TICKS} ticks spent on waiting");
    let answer = served.call("device/key/list", &json!({}));
    assert!(answer["result"].is_object(), "{answer}");

    let last = last.try_clone().unwrap();
    drop(waiting);
    last.set_read_timeout(Some(crate::program::PATIENCE)).unwrap();
    (&last).read_exact(&mut [0]).expect("there is room now");
    drop((served, last));
    let log = service.stop();
    // The service looks for free descriptors ten times a second, but logs less often.
    let told = log.matches("cannot accept a connection now").count();
    assert!((1..10).contains(&told), "{log}");
}
