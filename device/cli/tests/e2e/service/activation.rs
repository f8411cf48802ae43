//! The service takes over sockets that systemd created.

use std::io::BufRead as _;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::json;

use super::{CLIENT, Client, Installation, SERVICE};
use crate::program::{Program, run_on};
use crate::server::reason;

/// The service as `systemd-socket-activate` starts it for its first client, and its log.
fn activated(installation: &Installation, configuration: &str) -> (Program, JoinHandle<Vec<u8>>) {
    let socket = installation.socket();
    let mut command = Command::new("systemd-socket-activate");
    command.env_clear().uid(SERVICE).gid(SERVICE);
    command.arg("-l").arg(&socket).arg(installation.program());
    command.args(["app-server", "--service", "--provider", "os", "--home"]);
    command.arg(installation.home()).arg("--config").arg(installation.configure(configuration));
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut program = Program::spawn(&mut command);
    // systemd-socket-activate says when it listens, and runs our program when a client connects.
    let mut log = std::io::BufReader::new(program.child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(socket.exists(), "{line}");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    (program, crate::program::collect(log))
}

#[test]
fn the_service_serves_the_socket_that_it_was_started_with() {
    let installation = Installation::new();
    let socket = installation.socket();
    let (mut program, rest) = activated(&installation, "");
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
fn a_service_on_a_socket_of_systemd_ends_when_no_client_is_connected() {
    let installation = Installation::new();
    let socket = installation.socket();
    let (mut program, rest) = activated(&installation, "limits.idle_exit_seconds = 1");
    let mut client = Client::connect(&socket, CLIENT);
    // A client that is connected keeps the service, although it sends nothing.
    let process = pidfd_open(Pid::from_child(&program.child), PidfdFlags::empty()).unwrap();
    let longer = Timespec::try_from(Duration::from_secs(2)).unwrap();
    assert_eq!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&longer)), Ok(0));
    client.create();
    drop(client);
    let status = program.wait();
    let log = String::from_utf8(rest.join().unwrap()).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(socket.exists());
}

/// The app-server under the service's user. The shell script moves standard input to where the
/// app-server expects it, and then runs the app-server.
fn app_server(installation: &Installation, arguments: &[&str], script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.env_clear().uid(SERVICE).gid(SERVICE).current_dir("/");
    command.args(["-c", script, "sh"]).arg(installation.program()).arg("app-server");
    command.args(arguments).args(["--provider", "os", "--home"]).arg(installation.home());
    command
}

/// What a super-server such as systemd with `Accept=yes` does: it accepts a client of this user and
/// starts the service for this one connection.
fn accepted(listener: &UnixListener, socket: &Path, uid: u32) -> (UnixStream, UnixStream) {
    let client = super::connect_as(socket, uid);
    (client, listener.accept().unwrap().0)
}

#[test]
fn a_connection_as_standard_input_belongs_to_the_user_who_connected() {
    let installation = Installation::new();
    let socket = installation.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let mut keys = Vec::new();
    // As inetd does it, and as systemd does it, which passes the connection as descriptor 3 too.
    for (uid, script) in [
        (CLIENT, "exec \"$@\" >&0"),
        (CLIENT + 1, "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" >&0 3<&0"),
    ] {
        let (stream, theirs) = accepted(&listener, &socket, uid);
        let mut command = app_server(&installation, &["--service"], script);
        command.stdin(OwnedFd::from(theirs)).stderr(Stdio::piped());
        let mut program = Program::spawn(&mut command);
        // The last copy of the connection is in the command.
        drop(command);
        let log = crate::program::collect(program.child.stderr.take().unwrap());
        let mut client = Client::on(stream);
        let listed = client.call("device/key/list", &json!({}));
        assert_eq!(listed["result"]["keys"], json!([]), "another user's keys are not listed");
        for key_id in &keys {
            let deleted = client.call("device/key/delete", &json!({"keyId": key_id}));
            assert_eq!(reason(&deleted), "key_not_found");
        }
        keys.push(client.create());
        drop(client);
        let status = program.wait();
        let log = String::from_utf8(log.join().unwrap()).unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

#[test]
fn a_socket_pair_of_another_user_is_refused() {
    let installation = Installation::new();
    let script = "exec \"$@\"";
    // The test runs as root and so makes the socket pair as root.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let output = run_on(&mut app_server(&installation, &[], script), OwnedFd::from(theirs));
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_socket_that_does_not_name_its_user_is_refused() {
    let installation = Installation::new();
    let listener = UnixListener::bind(installation.socket()).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let datagrams = UnixDatagram::unbound().unwrap();
    let sockets: [OwnedFd; 4] = [listener.into(), tcp.into(), connected.into(), datagrams.into()];
    for (number, socket) in sockets.into_iter().enumerate() {
        for arguments in [&[][..], &["--service"]] {
            let mut command = app_server(&installation, arguments, "exec \"$@\"");
            let output = run_on(&mut command, socket.try_clone().unwrap());
            let log = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "socket {number} {arguments:?}: {log}");
        }
    }
}

#[test]
fn a_service_without_a_socket_does_not_serve_its_standard_input() {
    let installation = Installation::new();
    let listener = UnixListener::bind(installation.socket()).unwrap();
    for variables in
        ["", "LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_PID=$$", "LISTEN_PID=$$ LISTEN_FDS=0"]
    {
        let script = format!("{variables} exec \"$@\" 3<&0 0</dev/null");
        let mut command = app_server(&installation, &["--service"], &script);
        let output = run_on(&mut command, OwnedFd::from(listener.try_clone().unwrap()));
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{variables}: {log}");
    }
}

#[test]
fn descriptors_that_are_for_another_process_are_left_alone() {
    let installation = Installation::new();
    let listener = UnixListener::bind(installation.socket()).unwrap();
    for variables in ["LISTEN_FDS=1", "LISTEN_PID=1 LISTEN_FDS=1"] {
        let script = format!("{variables} exec \"$@\" 3<&0 0</dev/null");
        let mut command = app_server(&installation, &[], &script);
        let output = run_on(&mut command, OwnedFd::from(listener.try_clone().unwrap()));
        // Without a socket the program serves its input, which ends at once.
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{variables}: {log}");
        assert!(!log.contains("listening"), "{variables}: {log}");
    }
}
