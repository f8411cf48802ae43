//! SIGHUP loads the configuration again, under the hardening, and never ends the service.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{CLIENT, Client, Installation, SERVICE, Service};
use crate::home::Home;
use crate::program::{ABSENT, PATIENCE, Program};
use crate::proof::Key;
use crate::server::{initialize, reason};

const FIRST_TOKEN: &str = "first-token-that-is-long-enough-for-a-token";
const SECOND_TOKEN: &str = "second-token-that-is-long-enough-for-a-token";

/// A service with a WebSocket listener, whose log the test reads line by line.
struct Reloading {
    installation: Installation,
    service: Service,
    log: Receiver<Value>,
    websocket: SocketAddr,
}

impl Reloading {
    fn start() -> Self {
        let installation = Installation::new();
        write_token(&installation, FIRST_TOKEN);
        configure(&installation, "");
        let mut command = installation.service();
        command.args(["--provider", "os", "--log-format", "json", "--config"]);
        command.arg(config(&installation));
        command.args(["--listen", &installation.listen(), "--listen", "ws://127.0.0.1:0"]);
        let mut service = Service::start_unread(&mut command);
        let log = lines(BufReader::new(service.unread_log()));
        let listening = await_event(&log, |event| event["address"].is_string());
        let websocket = listening["address"].as_str().unwrap().parse().unwrap();
        Self { installation, service, log, websocket }
    }

    /// Asks for a reload and waits until it is done. Returns whether it succeeded.
    fn reload(&self) -> bool {
        self.service.signal(Signal::HUP);
        let is_outcome = |event: &Value| event["target"] == "device_key::app_server::reload";
        await_event(&self.log, is_outcome)["level"] == "INFO"
    }

    /// The status of an upgrade with this token.
    fn status(&self, token: &str) -> u16 {
        let mut stream = TcpStream::connect(self.websocket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        str::from_utf8(&status[9..]).unwrap().parse().unwrap()
    }
}

fn config(installation: &Installation) -> PathBuf {
    installation.home().with_file_name("config.toml")
}

/// Replaces the configuration as an editor does: the new file has another inode.
fn configure(installation: &Installation, more: &str) {
    let token = installation.home().with_file_name("token");
    let text = format!("websocket.token_file = \"{}\"\n{more}", token.display());
    let new = config(installation).with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, config(installation)).unwrap();
}

fn write_token(installation: &Installation, token: &str) {
    let path = installation.home().with_file_name("token");
    let new = path.with_extension("new");
    fs::write(&new, token).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&new, Some(SERVICE), Some(SERVICE)).unwrap();
    fs::rename(new, path).unwrap();
}

pub(super) fn lines(log: impl std::io::BufRead + Send + 'static) -> Receiver<Value> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in log.lines() {
            if sender.send(serde_json::from_str(&line.unwrap()).unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

pub(super) fn await_event(log: &Receiver<Value>, is_it: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = log.recv_timeout(PATIENCE).expect("an event in time");
        if is_it(&event) {
            return event;
        }
    }
}

/// The reason why a statement for another backend is refused.
fn refusal(client: &mut Client, key: &Key) -> Option<String> {
    let mut params = key.sign_params();
    params["payload"]["targetOrigin"] = json!("https://backend.example");
    params["payload"]["targetPath"] = json!("/api/own/remote/control/client");
    let answer = client.call("device/key/sign", &params);
    answer["error"]["data"]["reason"].as_str().map(str::to_owned)
}

const BACKEND: &str =
    "[[backend]]\norigin = \"https://backend.example\"\npath_prefix = \"/api/own\"\n";

#[test]
fn backends_limits_and_tokens_are_loaded_again() {
    let reloading = Reloading::start();
    let Reloading { installation, .. } = &reloading;
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let created =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    let key = Key::of_any_class("account", "client", &created);
    assert_eq!(refusal(&mut client, &key).as_deref(), Some("origin_not_allowed"));
    assert_eq!((reloading.status(FIRST_TOKEN), reloading.status(SECOND_TOKEN)), (101, 401));

    let limits = "[limits]\nkeys_per_user = 1\nrequests_per_connection = 1\n";
    configure(installation, &format!("{limits}{BACKEND}"));
    write_token(installation, SECOND_TOKEN);
    assert!(reloading.reload());
    assert_eq!(refusal(&mut client, &key), None);
    let more =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    assert_eq!(reason(&more), "quota_exceeded");
    assert_eq!((reloading.status(FIRST_TOKEN), reloading.status(SECOND_TOKEN)), (401, 101));

    configure(installation, "");
    assert!(reloading.reload());
    assert_eq!(refusal(&mut client, &key).as_deref(), Some("origin_not_allowed"));
    drop(client);
    reloading.service.signal(Signal::TERM);
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let reloading = Reloading::start();
    let Reloading { installation, .. } = &reloading;
    configure(installation, BACKEND);
    assert!(reloading.reload());
    let mut client = Client::connect(&installation.socket(), CLIENT);
    let created =
        client.call("device/key/create", &super::binding("allow_os_protected_nonextractable"));
    let key = Key::of_any_class("account", "client", &created);
    assert_eq!(refusal(&mut client, &key), None);
    for wrong in ["surprise = 1", "[limits]\nkeys_per_user = 0", "[audit]\nwhen_full = \"drop\""] {
        configure(installation, wrong);
        assert!(!reloading.reload(), "{wrong}");
        assert_eq!(refusal(&mut client, &key), None, "{wrong}");
    }
    // The token is part of the configuration.
    configure(installation, "");
    write_token(installation, "short");
    assert!(!reloading.reload());
    assert_eq!((refusal(&mut client, &key), reloading.status(FIRST_TOKEN)), (None, 101));
    write_token(installation, SECOND_TOKEN);
    assert!(reloading.reload());
    assert_eq!(refusal(&mut client, &key).as_deref(), Some("origin_not_allowed"));
    drop(client);
    reloading.service.signal(Signal::TERM);
}

/// A child of a client gets SIGHUP when the client's terminal closes.
#[test]
fn a_child_survives_the_signal() {
    let home = Home::new();
    let mut command = home.app_server(ABSENT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program::spawn(&mut command);
    let mut input = program.child.stdin.take().unwrap();
    let mut answers = BufReader::new(program.child.stdout.take().unwrap());
    let mut line = String::new();
    input.write_all(initialize().as_bytes()).unwrap();
    answers.read_line(&mut line).unwrap();
    for _ in 0..3 {
        kill_process(Pid::from_child(&program.child), Signal::HUP).unwrap();
        input.write_all(initialize().as_bytes()).unwrap();
        assert_ne!(answers.read_line(&mut line).unwrap(), 0);
    }
    drop(input);
    assert_eq!(program.wait().code(), Some(0));
}
