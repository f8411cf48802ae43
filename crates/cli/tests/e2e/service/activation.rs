//! Sockets that systemd has made: the service takes them over.

use std::{
    io::BufRead as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{CLIENT, Client, Installation, SERVICE};
use crate::program::Program;

#[test]
fn the_service_serves_the_socket_that_it_was_started_with() {
    let installation = Installation::new();
    let socket = installation.socket();
    let mut command = Command::new("systemd-socket-activate");
    command.env_clear().uid(SERVICE).gid(SERVICE);
    command.arg("-l").arg(&socket).arg(installation.program());
    command.args(["app-server", "--service", "--provider", "os", "--home"]);
    command.arg(installation.home());
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut program = Program::spawn(&mut command);
    // It says so when it listens, and becomes our program when somebody connects.
    let mut log = std::io::BufReader::new(program.child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(socket.exists(), "{line}");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let rest = crate::program::collect(log);

    let mut client = Client::connect(&socket, CLIENT);
    client.create();
    drop(client);
    kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
    let status = program.wait();
    let log = String::from_utf8(rest.join().unwrap()).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(socket.exists(), "who made it keeps it");
}
