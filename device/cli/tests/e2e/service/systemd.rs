//! What the service tells systemd.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::{CLIENT, Client, Installation};
use crate::program::{PATIENCE, Program};

fn receive(systemd: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 256];
    let length = systemd.recv(&mut message).expect("a message in time");
    str::from_utf8(&message[..length]).unwrap().lines().map(str::to_owned).collect()
}

/// The service is hardened when it is ready, and still reaches the abstract socket.
#[test]
fn an_abstract_socket_is_told_everything() {
    let installation = Installation::new();
    let name = format!("device-key-e2e-{}", installation.home().display());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let systemd = UnixDatagram::bind_addr(&address).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let configuration = installation.configure("limits.drain_seconds = 3000");
    let mut command = installation.service();
    command.args(["--provider", "os", "--listen", &installation.listen(), "--config"]);
    command.arg(configuration).env("NOTIFY_SOCKET", format!("@{name}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = Program::spawn(&mut command);
    assert_eq!(receive(&systemd), ["READY=1"]);
    Client::connect(&installation.socket(), CLIENT).create();

    kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
    let stopping = receive(&systemd);
    assert_eq!(stopping[0], "STOPPING=1");
    // systemd waits at least as long as the requests in flight and the sweep may take.
    let extension = stopping[1].strip_prefix("EXTEND_TIMEOUT_USEC=").unwrap();
    assert!(extension.parse::<u64>().unwrap() > 2 * 3000 * 1_000_000, "{extension}");
    assert_eq!(program.wait().code(), Some(0));
}

/// A socket that nobody serves or reads delays nothing.
#[test]
fn a_systemd_that_does_not_listen_is_not_needed() {
    let installation = Installation::new();
    let mut command = installation.service();
    command.args(["--provider", "os", "--listen", &installation.listen()]);
    command.env("NOTIFY_SOCKET", "@nobody-listens-here").stdin(Stdio::null());
    let mut program = Program::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let begun = std::time::Instant::now();
    while std::os::unix::net::UnixStream::connect(installation.socket()).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the service does not listen");
        std::thread::yield_now();
    }
    Client::connect(&installation.socket(), CLIENT).create();
    kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
    assert_eq!(program.wait().code(), Some(0));
}
