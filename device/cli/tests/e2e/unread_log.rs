//! An app-server whose standard error is a pipe that nobody reads, which is a frequent fault of
//! parents.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::home::Home;
use crate::program::{ABSENT, PATIENCE, Program};
use crate::server::{initialize, message};

const REQUESTS: usize = 5000;

/// A request whose refusal is logged.
fn request(id: usize) -> String {
    let params = json!({"accountUserId": "account", "clientId": "client"});
    format!("{}\n", json!({"id": id, "method": "device/key/create", "params": params}))
}

/// A server without a TPM, whose log nobody reads, after thousands of requests that were refused.
fn server(home: &Home) -> Program {
    let mut command = home.app_server(ABSENT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::spawn(command.env("RUST_LOG", "debug"));
    let mut input = program.child.stdin.take().unwrap();
    let output = program.child.stdout.take().unwrap();
    let (answered, all_answered) = channel();
    thread::spawn(move || {
        let mut answers = BufReader::new(output).split(b'\n');
        let answers = answers.by_ref().take(REQUESTS + 1).map(|line| message(&line.unwrap()));
        answered.send(answers.count()).unwrap();
    });
    input.write_all(initialize().as_bytes()).unwrap();
    for id in 1..=REQUESTS {
        input.write_all(request(id).as_bytes()).unwrap();
    }
    assert_eq!(all_answered.recv_timeout(PATIENCE), Ok(REQUESTS + 1));
    program.child.stdin = Some(input);
    program
}

#[test]
fn the_server_answers_and_ends_at_a_signal() {
    let home = Home::new();
    let mut program = server(&home);
    kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn the_server_ends_with_its_input() {
    let home = Home::new();
    let mut program = server(&home);
    drop(program.child.stdin.take());
    assert_eq!(program.wait().code(), Some(0));
}

/// A failure is told on standard error, but the program does not wait until somebody reads it.
#[test]
fn a_failure_is_not_kept_by_a_full_pipe() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    // The pipe is full.
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while (&writer).write(&[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = home.app_server(ABSENT);
    command.args(["--connect", "/nowhere"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut program = Program::spawn(command.stderr(writer));
    assert_eq!(program.wait().code(), Some(6));
    drop(reader);
}
