//! The kinds of standard input and output that a parent can give to the app-server.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::{ABSENT, PATIENCE, Program, collect, run, run_on};
use crate::proof::Key;
use crate::server::{Server, initialize, message};

const TRANSPORT_FAILED: Option<i32> = Some(4);

fn create_line(id: i64) -> String {
    let params = json!({"accountUserId": "account", "clientId": "client"});
    format!("{}\n", json!({"id": id, "method": "device/key/create", "params": params}))
}

fn answers(output: &[u8]) -> Vec<Value> {
    let mut answers: Vec<Value> =
        BufReader::new(output).split(b'\n').map(|line| message(&line.unwrap())).collect();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    answers
}

/// Node.js and other runtimes spawn children with a socket pair for each stream.
#[test]
fn socket_pairs() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let (mut input, child_input) = UnixStream::pair().unwrap();
    let (output, child_output) = UnixStream::pair().unwrap();
    output.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = home.app_server(&swtpm.address());
    command.stdin(OwnedFd::from(child_input)).stdout(OwnedFd::from(child_output));
    let mut program = Program::spawn(command.stderr(Stdio::null()));
    drop(command);
    let mut lines = BufReader::new(output).split(b'\n');
    let mut receive = || message(&lines.next().expect("an answer").unwrap());

    input.write_all(initialize().as_bytes()).unwrap();
    assert_eq!(receive()["id"], 0);
    input.write_all(create_line(1).as_bytes()).unwrap();
    let key = Key::new("account", "client", &receive());
    let sign = json!({"id": 2, "method": "device/key/sign", "params": key.sign_params()});
    input.write_all(sign.to_string().as_bytes()).unwrap();
    input.shutdown(Shutdown::Write).unwrap();
    key.verify(&receive());
    assert!(lines.next().is_none(), "nothing more, and the end of the stream");
    assert_eq!(program.wait().code(), Some(0));
}

/// inetd gives one socket for both directions.
#[test]
fn one_socket() {
    let home = Home::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = home.app_server(ABSENT);
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
    let mut program = Program::spawn(command.stderr(Stdio::null()));
    drop(command);
    ours.write_all(initialize().as_bytes()).unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    let lines: Vec<_> = BufReader::new(ours).split(b'\n').map(Result::unwrap).collect();
    assert_eq!(lines.len(), 1);
    assert!(message(&lines[0])["result"].is_object());
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn regular_files() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let (input, output) = (home.beside("requests"), home.beside("answers"));
    fs::write(&input, [initialize(), create_line(1), create_line(2)].concat()).unwrap();
    let mut command = home.app_server(&swtpm.address());
    command.stdin(File::open(&input).unwrap()).stdout(File::create_new(&output).unwrap());
    let mut program = Program::spawn(command.stderr(Stdio::null()));
    assert_eq!(program.wait().code(), Some(0));
    let to_file = answers(&fs::read(&output).unwrap());
    assert_eq!(to_file.len(), 3);
    for (id, answer) in to_file.iter().enumerate() {
        assert_eq!(answer["id"], id);
        assert!(answer["result"].is_object(), "{answer}");
    }
    let Output { status, stdout, .. } =
        run_on(&mut home.app_server(&swtpm.address()), File::open(&input).unwrap());
    assert_eq!((status.code(), answers(&stdout).len()), (Some(0), 3));
    assert_eq!(home.assert_at_rest().len(), 4);
}

#[test]
fn no_input_at_all() {
    let home = Home::new();
    let Output { status, stdout, .. } = run(&mut home.app_server(ABSENT));
    assert_eq!((status.code(), &*stdout), (Some(0), &b""[..]));
}

#[test]
fn an_input_that_cannot_be_read() {
    let home = Home::new();
    let folder = File::open("/").unwrap();
    let Output { status, stdout, stderr } = run_on(&mut home.app_server(ABSENT), folder);
    assert_eq!((status.code(), &*stdout), (TRANSPORT_FAILED, &b""[..]));
    assert!(!stderr.is_empty());
}

/// The input stays open, so only the lost output can end the program.
#[test]
fn a_client_that_closes_the_output_ends_the_server() {
    let home = Home::new();
    let mut command = home.app_server(ABSENT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::spawn(&mut command);
    let mut input = program.child.stdin.take().unwrap();
    let log = collect(program.child.stderr.take().unwrap());
    drop(program.child.stdout.take());
    input.write_all(initialize().as_bytes()).unwrap();
    assert_eq!(program.wait().code(), TRANSPORT_FAILED);
    assert!(!log.join().unwrap().is_empty());
    drop(input);
}

/// Creations that no client waits for leave a whole key or none, and do not keep the program alive.
#[test]
fn a_client_that_disconnects_during_creations_leaves_whole_keys() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let (mut input, child_input) = UnixStream::pair().unwrap();
    let (output, child_output) = UnixStream::pair().unwrap();
    let mut command = home.app_server(&swtpm.address());
    command.stdin(OwnedFd::from(child_input)).stdout(OwnedFd::from(child_output));
    let mut program = Program::spawn(command.stderr(Stdio::null()));
    drop(command);
    input.write_all(initialize().as_bytes()).unwrap();
    for id in 1..=8 {
        input.write_all(create_line(id).as_bytes()).unwrap();
    }
    let mut lines = BufReader::new(output).split(b'\n');
    for _ in 0..3 {
        message(&lines.next().expect("an answer").unwrap());
    }
    drop((input, lines));
    let code = program.wait().code();
    assert!([Some(0), TRANSPORT_FAILED].contains(&code), "{code:?}");
    home.recover();
    let ready = home.assert_at_rest();
    assert!((2..=8).contains(&ready.len()), "{ready:?}");
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    for id in ready {
        let key = server.existing("account", "client", &id);
        server.prove(&key);
    }
    server.finish_well();
}
