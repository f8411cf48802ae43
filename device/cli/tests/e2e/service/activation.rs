//! The service takes over sockets that systemd created.

use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

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
    // systemd-socket-activate says when it listens, and runs our program when a client connects.
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
    assert!(socket.exists(), "the service removes only its own sockets");
}

#[test]
fn descriptors_that_are_for_another_process_are_left_alone() {
    let installation = Installation::new();
    let listener = std::os::unix::net::UnixListener::bind(installation.socket()).unwrap();
    // The shell moves the socket to the first descriptor of sd_listen_fds(3), and runs our program.
    let script = "exec \"$@\" 3<&0 0</dev/null";
    for pid in [None, Some("1")] {
        let mut command = Command::new("/bin/sh");
        command.env_clear().uid(SERVICE).gid(SERVICE).current_dir("/").env("LISTEN_FDS", "1");
        if let Some(pid) = pid {
            command.env("LISTEN_PID", pid);
        }
        command.args(["-c", script, "sh"]).arg(installation.program());
        command.args(["app-server", "--provider", "os", "--home"]).arg(installation.home());
        let input = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
        let output = crate::program::run_on(&mut command, input);
        // Without a socket the program serves its input, which ends at once.
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{pid:?}: {log}");
        assert!(!log.contains("listening"), "{pid:?}: {log}");
    }
}
