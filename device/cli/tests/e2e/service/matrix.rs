//! Calls every method over every transport and compares the outcomes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use device_key_testing::Swtpm;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::{CLIENT, Client, Installation, SERVICE, Service};
use crate::program::run;
use crate::proof::{ATTESTED, Key};
use crate::server::{Server, reason};

/// The methods, in an order in which each of them can succeed.
const METHODS: [&str; 8] = [
    "providers",
    "create",
    "public",
    "sign",
    "attestation/identity",
    "attestation/activate",
    "list",
    "delete",
];
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// One way to reach the app-server.
trait Caller {
    fn call(&mut self, method: &str, params: &Value) -> Value;
}

impl Caller for Client {
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.call(method, params)
    }
}

impl Caller for Server {
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.call(method, params)
    }
}

struct WebSocketClient(WebSocket<TcpStream>);

impl Caller for WebSocketClient {
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"id": 1, "method": method, "params": params});
        self.0.send(Message::text(request.to_string())).unwrap();
        let answer = self.0.read().unwrap();
        serde_json::from_str(answer.to_text().unwrap()).unwrap()
    }
}

impl WebSocketClient {
    fn connect(address: SocketAddr, token: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let authorization =
            token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {authorization}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self(WebSocket::from_raw_socket(stream, Role::Client, None))
    }
}

/// The commands that do the work of the methods in their own process.
struct InProcess<'a> {
    installation: &'a Installation,
    tpm: String,
}

impl InProcess<'_> {
    fn command(&self, subcommand: &str) -> Command {
        let mut command = self.installation.as_user(SERVICE);
        command.args([subcommand, "--in-process", "--json", "--allow-simulated-tpm", "--tpm"]);
        command.arg(&self.tpm).arg("--home").arg(self.installation.home());
        command.arg("--config").arg(self.installation.folder.path().join("config.toml"));
        command
    }
}

impl Caller for InProcess<'_> {
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let subcommand = match method.rsplit('/').next().unwrap() {
            "identity" | "activate" => "attest",
            subcommand => subcommand,
        };
        if subcommand == "initialize" {
            // Every command makes the handshake itself.
            return json!({"result": {}});
        }
        let mut command = self.command(subcommand);
        let text = |name: &str| params[name].as_str().unwrap().to_owned();
        let file = |name: &str, content: &Value| {
            let path = self.installation.folder.path().join(name);
            std::fs::write(&path, content.to_string()).unwrap();
            path
        };
        match subcommand {
            "create" => {
                command.args(["--account", &text("accountUserId"), "--client", &text("clientId")]);
            }
            "sign" => {
                let payload = file("payload.json", &params["payload"]);
                command.arg(text("keyId")).arg("--payload").arg(payload);
            }
            "attest" => {
                let challenge = file("challenge.json", &params["challenge"]);
                command.arg(text("keyId")).arg("--challenge").arg(challenge);
                if params.get("credentialBlob").is_some() {
                    command.arg("--credential").arg(file("credential.json", params));
                }
            }
            "public" | "delete" => {
                command.arg(text("keyId"));
            }
            _ => {}
        }
        let output = run(&mut command);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{subcommand}: {log}");
        json!({"result": serde_json::from_slice::<Value>(&output.stdout).unwrap()})
    }
}

/// The outcome of each method: `ok`, or the reason of its refusal.
fn outcomes(caller: &mut dyn Caller, swtpm: &Swtpm) -> Vec<(&'static str, String)> {
    let (mut key, mut identity) = (None, Value::Null);
    let mut outcome = |method: &'static str| {
        let params = match (method, &key) {
            ("create", _) => json!({"accountUserId": "account", "clientId": "client"}),
            ("sign", Some(key)) => Key::sign_params(key),
            ("attestation/identity", Some(key)) => key.identity_params(),
            ("attestation/activate", Some(key)) => key.activate_params(swtpm, &identity, b"secret"),
            ("public" | "delete", Some(key)) => json!({"keyId": key.id}),
            // A caller that may not use a method does not learn which params it takes.
            _ => json!({}),
        };
        let answer = caller.call(&format!("device/key/{method}"), &params);
        if method == "create" && answer["result"].is_object() {
            key = Some(Key::new("account", "client", &answer));
        }
        if method == "attestation/identity" {
            identity = answer.clone();
        }
        match answer.get("result") {
            Some(_) => "ok".to_owned(),
            None => reason(&answer).to_owned(),
        }
    };
    METHODS.into_iter().map(|method| (method, outcome(method))).collect()
}

fn all(expected: &str) -> Vec<(&'static str, String)> {
    METHODS.into_iter().map(|method| (method, expected.to_owned())).collect()
}

fn initialize() -> Value {
    json!({"clientInfo": {"name": "e2e", "version": "0"}})
}

#[test]
fn every_method_over_every_transport() {
    let swtpm = Swtpm::start();
    // The service's user may use the simulator.
    let socket = swtpm.socket();
    for path in [socket.parent().unwrap(), &socket] {
        std::os::unix::fs::chown(path, Some(SERVICE), Some(SERVICE)).unwrap();
    }
    let installation = Installation::new();
    let token_file = installation.folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    std::fs::set_permissions(&token_file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    std::os::unix::fs::chown(&token_file, Some(SERVICE), None).unwrap();
    let tpm = ["--allow-simulated-tpm", "--tpm", &swtpm.address()].map(str::to_owned);
    let attested = installation.configure(ATTESTED);

    // The callers take turns, because the simulator serves one at a time.
    let mut command = installation.as_user(SERVICE);
    command.args(["app-server", "--home"]).arg(installation.home());
    command.arg("--config").arg(&attested);
    let mut stdio = Server::start(command.args(&tpm));
    assert_eq!(outcomes(&mut stdio, &swtpm), all("ok"), "stdio");
    stdio.finish_well();

    let mut in_process = InProcess { installation: &installation, tpm: swtpm.address() };
    assert_eq!(outcomes(&mut in_process, &swtpm), all("ok"), "in process");

    let [open, guarded] = ["127.31.7.10", "127.31.7.11"].map(free_address);
    let mut command = installation.service();
    command.args(&tpm).args(["--listen", &installation.listen()]);
    command.arg("--config").arg(&attested);
    let service = Service::start(command.args(["--listen", &format!("ws://{open}")]));
    for uid in [SERVICE, CLIENT] {
        let mut unix = Client::connect(&installation.socket(), uid);
        assert_eq!(outcomes(&mut unix, &swtpm), all("ok"), "unix as {uid}");
    }
    let mut websocket = WebSocketClient::connect(open, None);
    let answer = websocket.call("initialize", &initialize());
    assert_eq!(answer["result"]["codexHome"], "/", "{answer}");
    assert_eq!(outcomes(&mut websocket, &swtpm), all("transport_not_local"), "ws on loopback");
    service.stop();

    let config = format!("[websocket]\ntoken_file = {:?}", token_file.display().to_string());
    let config = installation.configure(&config);
    let mut command = installation.service();
    command.arg("--config").arg(config);
    let service = Service::start(command.args(["--listen", &format!("ws://{guarded}")]));
    let mut websocket = WebSocketClient::connect(guarded, Some(TOKEN));
    let answer = websocket.call("initialize", &initialize());
    assert_eq!(answer["result"]["codexHome"], "/", "{answer}");
    assert_eq!(outcomes(&mut websocket, &swtpm), all("transport_not_local"), "ws with the token");
    service.stop();
}

/// A loopback address that no other test uses, so its port stays free.
fn free_address(ip: &str) -> SocketAddr {
    std::net::TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}
