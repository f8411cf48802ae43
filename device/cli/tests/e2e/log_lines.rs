//! Lines of the log hold what the service says, whatever ids and names its clients choose.

use serde_json::{Value, json};

use crate::home::Home;
use crate::program::ABSENT;
use crate::server::{Server, reason};

/// Ids with text that looks like the log's own, and with a character of each class that could
/// change how a line is shown.
const HOSTILE: [&str; 12] = [
    "}: audit: outcome=ok uid=0",
    "\"}: audit: outcome=\"ok\" uid=0",
    "a\nb",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}<5>audit: outcome=ok",
    "\u{9b}31m",
    "\u{2028}",
    "\u{202e}ko=emoctuo",
    "\u{2066}\u{feff}\u{ad}\u{200b}",
    "e\u{301}\u{a0}\u{e000}",
    "\u{e0041}\u{1d173}",
];

fn log_of_hostile_ids(format: &str) -> String {
    let home = Home::new();
    let mut command = home.app_server(ABSENT);
    command.args(["--log-format", format]).env("RUST_LOG", "debug");
    let mut server = Server::start(&mut command);
    for id in HOSTILE {
        // The refusal is an audit event and an ordinary event, both in the span of the request.
        let request = json!({"id": id, "method": "device/key/public", "params": {"keyId": id}});
        server.send(format!("{request}\n").as_bytes());
        let answer = server.receive();
        assert_eq!((&answer["id"], reason(&answer)), (&json!(id), "invalid_key_id"));
        let request = json!({"id": id, "method": id, "trace": {"traceparent": id}});
        server.send(format!("{request}\n").as_bytes());
        assert_eq!(reason(&server.receive()), "method_not_found");
    }
    server.finish().log
}

#[test]
fn an_id_cannot_imitate_the_log() {
    for format in ["text", "journal"] {
        let log = log_of_hostile_ids(format);
        assert!(log.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~')), "{log:?}");
        let audited: Vec<_> = log.lines().filter(|line| line.contains("audit: ")).collect();
        assert_eq!(audited.len(), HOSTILE.len(), "{log}");
        for line in audited {
            // The event follows the only span, whose fields contain no space in an id.
            let (_, event) = line.split_once("}: audit: ").unwrap();
            assert!(event.starts_with("method=\"device/key/public\" outcome=\"invalid_key_id\""));
            assert_eq!(line.matches("outcome=").count(), 1, "{line}");
        }
    }
    let log = log_of_hostile_ids("json");
    assert!(log.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~')), "{log:?}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let audited: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    assert_eq!(audited.len(), HOSTILE.len(), "{log}");
    for (line, id) in audited.iter().zip(HOSTILE) {
        let shown = line["span"]["rpc.jsonrpc.request_id"].as_str().unwrap();
        let shown: String = serde_json::from_str(shown.trim_end_matches('.')).unwrap();
        assert!(id.starts_with(&shown), "{shown}");
    }
}
