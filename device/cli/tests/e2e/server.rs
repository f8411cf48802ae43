//! An app-server as a child process over pipes, and its client.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{PATIENCE, Program, collect};
use crate::proof::Key;

pub(crate) struct Server {
    program: Program,
    input: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    log: Option<JoinHandle<Vec<u8>>>,
    next_id: i64,
}

/// The outcome of a server whose input ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Every answer that the test had not received.
    pub(crate) answers: Vec<Value>,
    pub(crate) log: String,
}

impl Server {
    /// Starts a server without the handshake.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = Program::spawn(command);
        let input = program.child.stdin.take();
        let lines = lines_of(program.child.stdout.take().unwrap());
        let log = Some(collect(program.child.stderr.take().unwrap()));
        Self { program, input, lines, log, next_id: 1 }
    }

    /// Starts a server and makes the handshake.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut server = Self::spawn(command);
        server.initialize();
        server
    }

    /// Makes the handshake and returns its result.
    pub(crate) fn initialize(&mut self) -> Value {
        self.send(initialize().as_bytes());
        let mut answer = self.receive();
        assert_eq!(answer["id"], 0, "{answer}");
        answer["result"].take()
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.program.child.id()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("an open input").write_all(bytes).unwrap();
    }

    /// Sends a request without waiting for the answer. Returns the request's id.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"id": id, "method": method, "params": params});
        self.send(format!("{request}\n").as_bytes());
        id
    }

    /// The next answer. Anything else on standard output fails the test.
    pub(crate) fn receive(&self) -> Value {
        self.receive_within(PATIENCE).expect("an answer in time")
    }

    /// The next answer, if it arrives within this time.
    pub(crate) fn receive_within(&self, patience: Duration) -> Option<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(message(&line)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the output ended"),
        }
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.request(method, params);
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Creates a key, which must succeed.
    pub(crate) fn create(&mut self, account: &str, client: &str) -> Key {
        let params = json!({"accountUserId": account, "clientId": client});
        let answer = self.call("device/key/create", &params);
        Key::new(account, client, &answer)
    }

    /// A key that already exists. It must be whole.
    pub(crate) fn existing(&mut self, account: &str, client: &str, id: &str) -> Key {
        let answer = self.call("device/key/public", &json!({"keyId": id}));
        Key::new(account, client, &answer)
    }

    /// Deletes a key, which must succeed.
    pub(crate) fn delete(&mut self, id: &str) {
        let answer = self.call("device/key/delete", &json!({"keyId": id}));
        assert_eq!(answer["result"], json!({}), "{answer}");
    }

    /// Signs a statement of the key and verifies the signature.
    pub(crate) fn prove(&mut self, key: &Key) {
        let answer = self.call("device/key/sign", &key.sign_params());
        key.verify(&answer);
    }

    /// Asks to sign a statement of the key, which must be refused. Returns the reason.
    pub(crate) fn refusal_to_sign(&mut self, key: &Key) -> String {
        reason(&self.call("device/key/sign", &key.sign_params())).to_owned()
    }

    /// Ends the input and waits for the end of the program.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.input.take());
        let status = self.program.wait();
        let answers = self.lines.iter().map(|line| message(&line)).collect();
        let log = String::from_utf8(self.log.take().unwrap().join().unwrap()).unwrap();
        Finished { status, answers, log }
    }

    /// Ends the input. Every request must have been answered, and the program must succeed.
    pub(crate) fn finish_well(self) {
        let Finished { status, answers, log } = self.finish();
        assert_eq!((status.code(), answers), (Some(0), Vec::new()), "{log}");
    }

    /// Kills the server and returns the answers that it had sent. The last may be cut short.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.program.kill();
        self.lines.iter().filter_map(|line| serde_json::from_slice(&line).ok()).collect()
    }
}

/// The line that makes the handshake, as request 0.
pub(crate) fn initialize() -> String {
    let params = json!({"clientInfo": {"name": "e2e", "version": "0"}});
    format!("{}\n", json!({"id": 0, "method": "initialize", "params": params}))
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {answer}"))
}

/// A line of the protocol: one JSON object.
pub(crate) fn message(line: &[u8]) -> Value {
    let message: Value = serde_json::from_slice(line)
        .unwrap_or_else(|_| panic!("not protocol: {}", String::from_utf8_lossy(line)));
    assert!(message.is_object(), "{message}");
    message
}

/// Reads lines from a stream on a thread, so that the program never waits for its reader.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            // Fails when the test is over.
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}
