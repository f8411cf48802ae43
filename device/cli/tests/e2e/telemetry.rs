//! The format of the log, and the export of traces and metrics at the end of a session.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::home::Home;
use crate::program::{ABSENT, run};
use crate::server::Server;

const WRONG_USAGE: Option<i32> = Some(2);
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Accepts one export. Returns the path of its request.
fn take_export(mut stream: TcpStream) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head: Vec<String> =
        (&mut reader).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let length = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap()]).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    head[0].split(' ').nth(1).unwrap().to_owned()
}

/// Starts a collector. Returns its address, and the paths of the two exports that it accepts.
fn collector() -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taking =
        move || listener.incoming().take(2).map(|stream| take_export(stream.unwrap())).collect();
    (address, thread::spawn(taking))
}

fn app_server(home: &Home) -> Command {
    home.app_server(ABSENT)
}

#[test]
fn a_session_is_exported_when_it_ends() {
    let home = Home::new();
    let (address, exported) = collector();
    let finished = Server::start(app_server(&home).env(ENDPOINT, address)).finish();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.log);
    let mut paths = exported.join().unwrap();
    paths.sort();
    assert_eq!(paths, ["/v1/metrics", "/v1/traces"]);
}

#[test]
fn a_collector_behind_tls_is_wrong_usage() {
    let home = Home::new();
    let output = run(app_server(&home).env(ENDPOINT, "https://127.0.0.1:4318"));
    assert_eq!((output.status.code(), &*output.stdout), (WRONG_USAGE, &b""[..]));
    assert!(!home.path().exists());
}

#[test]
fn the_format_of_the_log_can_be_chosen() {
    let home = Home::new();
    let log = |command: &mut Command| {
        let mut server = Server::start(command.env("RUST_LOG", "debug"));
        server.request("device/key/create", &json!({"accountUserId": "a", "clientId": "c"}));
        server.receive();
        let log = server.finish().log;
        assert!(!log.is_empty());
        log
    };
    for json in [
        log(app_server(&home).args(["--log-format", "json"])),
        log(app_server(&home).env("DEVICE_KEY_LOG_FORMAT", "json")),
    ] {
        assert!(json.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{json}");
    }
    let journal = log(app_server(&home).args(["--log-format", "journal"]));
    assert!(journal.lines().all(|line| line.starts_with('<')), "{journal}");
    let output = run(app_server(&home).args(["--log-format", "xml"]));
    assert_eq!(output.status.code(), WRONG_USAGE);
}
