//! A scripted service: a socket that answers what a test tells it to answer.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{PATIENCE, device_key};

/// What the service does with a request after the handshake.
pub(crate) enum Reply {
    Result(Value),
    Error(Value),
    /// Sends exactly these bytes.
    Raw(&'static str),
    /// Ends the connection.
    Close,
    /// Keeps the connection open and sends nothing.
    Silence,
}

/// A listener that serves one client according to its script.
pub(crate) struct Peer {
    folder: TempDir,
    heard: Receiver<Heard>,
}

/// Everything that one client sent until it closed the connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The requests after the handshake, each with its method and params.
    pub(crate) requests: Vec<(String, Value)>,
    /// Every byte, including the handshake.
    pub(crate) bytes: usize,
}

impl Peer {
    pub(crate) fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::of_user(None, replies)
    }

    /// Listens as this user. `None` is the user of the tests.
    pub(crate) fn of_user(uid: Option<u32>, replies: impl IntoIterator<Item = Reply>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // This user creates the socket, and other users connect to it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let path = folder.path().join("sock");
        let replies: Vec<Reply> = replies.into_iter().collect();
        let ((ready, listening), (tell, heard)) = (channel(), channel());
        // Only this thread changes its user. The kernel remembers the user who calls listen(2).
        thread::spawn(move || {
            if let Some(uid) = uid {
                set_thread_res_uid(None, Uid::from_raw(uid), None).unwrap();
            }
            let listener = UnixListener::bind(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
            ready.send(()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // Fails if the test no longer waits.
            let _ = tell.send(converse(stream, replies));
        });
        listening.recv_timeout(PATIENCE).unwrap();
        Self { folder, heard }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Waits for the client and returns what the client sent.
    pub(crate) fn heard(self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("a client that came and went")
    }

    /// A command that connects to this peer.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        client_of(&self.path(), arguments)
    }
}

/// A command that connects to this socket.
pub(crate) fn client_of(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = device_key(arguments[0]);
    command.args(&arguments[1..]).arg("--socket").arg(socket);
    command
}

fn converse(mut stream: UnixStream, replies: Vec<Reply>) -> Heard {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut heard = Heard::default();
    let handshake = Reply::Result(json!({"userAgent": "script"}));
    for (index, reply) in [handshake].into_iter().chain(replies).enumerate() {
        let mut line = String::new();
        heard.bytes += lines.read_line(&mut line).unwrap();
        if line.is_empty() {
            return heard;
        }
        let mut request: Value = serde_json::from_str(&line).unwrap();
        let method = request["method"].as_str().unwrap().to_owned();
        if index == 0 {
            assert_eq!(method, "initialize");
        } else {
            heard.requests.push((method, request["params"].take()));
        }
        let id = request["id"].take();
        let answer = match reply {
            Reply::Result(result) => {
                format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
            Reply::Error(error) => {
                format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "error": error}))
            }
            Reply::Raw(text) => text.to_owned(),
            Reply::Close => return heard,
            Reply::Silence => continue,
        };
        stream.write_all(answer.as_bytes()).unwrap();
    }
    let mut rest = Vec::new();
    // Fails if the client has closed the connection without reading everything.
    let _ = lines.read_to_end(&mut rest);
    heard.bytes += rest.len();
    heard
}
