//! The app-server's transport over pipes: lines, their limit, and the handshake.

use std::collections::BTreeSet;

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::ABSENT;
use crate::server::{Finished, Server, initialize, reason};

/// The documented limit of a line: 1 MiB.
const LIMIT: usize = 1024 * 1024;

#[test]
fn bad_lines_are_answered_and_the_connection_stays_open() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    let too_long = vec![b' '; LIMIT + 1];
    let batch = format!("[{}]", initialize().trim_end());
    let cases: [(&[u8], &str, i32); 6] = [
        (b"\xff\xfe\"\xc3\x28", "parse_error", -32700),
        (b"{\"id\":1,\"method\":", "parse_error", -32700),
        (b"{\"id\":1,\"id\":2,\"method\":\"x\"}", "parse_error", -32700),
        (&too_long, "message_too_large", -32700),
        (batch.as_bytes(), "batch_unsupported", -32600),
        (b"{\"id\":true,\"method\":\"x\"}", "invalid_request", -32600),
    ];
    for (line, expected, code) in cases {
        server.send(line);
        server.send(b"\n");
        let answer = server.receive();
        assert_eq!((reason(&answer), &answer["error"]["code"]), (expected, &json!(code)));
        server.prove(&key);
    }
    let mut longest = json!({"id": "longest", "method": "device/key/public", "params": {}})
        .to_string()
        .into_bytes();
    longest.resize(LIMIT, b' ');
    longest.push(b'\n');
    server.send(&longest);
    let answer = server.receive();
    assert_eq!((&answer["id"], reason(&answer)), (&json!("longest"), "invalid_params"));
    server.finish_well();
}

#[test]
fn the_end_of_input_waits_for_requests_in_flight() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::spawn(&mut home.app_server(&swtpm.address()));
    server.send(initialize().as_bytes());
    let binding = json!({"accountUserId": "account", "clientId": "client"});
    let mut asked: BTreeSet<i64> =
        (0..12).map(|_| server.request("device/key/create", &binding)).collect();
    // The last line counts even without its line end.
    let half = json!({"id": 1000, "method": "device/key/create", "params": binding});
    server.send(half.to_string().as_bytes());
    asked.extend([0, 1000]);
    let Finished { status, answers, log } = server.finish();
    assert_eq!(status.code(), Some(0), "{log}");
    let answered: BTreeSet<i64> =
        answers.iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
    assert_eq!((answers.len(), answered), (asked.len(), asked), "each is answered once");
    let failed: Vec<&Value> = answers.iter().filter(|answer| answer["result"].is_null()).collect();
    assert_eq!(failed, Vec::<&Value>::new());
    assert_eq!(home.assert_at_rest().len(), 13);
}

#[test]
fn an_incomplete_last_line_is_answered_with_an_error() {
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(ABSENT));
    server.send(b"{\"id\":1,\"method\":\"device/key");
    let Finished { status, answers, .. } = server.finish();
    assert_eq!(status.code(), Some(0));
    assert_eq!(answers.iter().map(reason).collect::<Vec<_>>(), ["parse_error"]);
}

#[test]
fn the_handshake_needs_no_tpm() {
    let home = Home::new();
    let mut server = Server::spawn(&mut home.app_server(ABSENT));
    let early = server.call("device/key/providers", &json!({}));
    assert_eq!(reason(&early), "not_initialized");
    let result = server.initialize();
    // The home is reported without symbolic links, even if the scratch folder is behind one.
    let path = home.path().canonicalize().unwrap();
    assert_eq!(result["codexHome"].as_str(), path.to_str());
    assert_eq!(result["platformOs"], std::env::consts::OS);
    assert_eq!(result["platformFamily"], "unix");
    assert_eq!(
        result["serverInfo"],
        json!({"name": "device-key", "version": env!("CARGO_PKG_VERSION")})
    );
    assert!(result["userAgent"].is_string());
    assert_eq!(
        result["deviceKey"]["providers"],
        json!([{
            "name": "tpm",
            "protectionClass": "hardware_tpm",
            "available": false,
            "reason": "hardware_unavailable",
        }, {
            "name": "os",
            "protectionClass": "os_protected_nonextractable",
            "available": false,
            "reason": "os_protection_unavailable",
            "cause": "transport",
        }])
    );
    server.send(initialize().as_bytes());
    assert_eq!(reason(&server.receive()), "already_initialized");
    server.finish_well();
}

#[test]
fn a_key_outlives_its_server() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    let created = server.call("device/key/public", &json!({"keyId": key.id}));
    server.finish_well();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let public = server.call("device/key/public", &json!({"keyId": key.id}));
    assert_eq!(public["result"], created["result"]);
    assert_eq!(public["result"]["keyId"], key.id.as_str());
    server.prove(&key);
    server.finish_well();
    assert_eq!(home.assert_at_rest(), BTreeSet::from([key.id]));
}
