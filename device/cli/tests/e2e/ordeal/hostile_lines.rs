//! Sends lines that were valid before they were changed.

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use super::{Luck, endure};
use crate::home::Home;
use crate::server::{Server, initialize};

const LINES: usize = 500;
/// Bytes that mean something to a parser of JSON or of lines.
const TELLING: &[u8] = b"\"\\{}[],:0-e.\0\r\n\xff\xed\xa0\x80u";

fn mutate(line: &mut Vec<u8>, luck: &mut Luck) {
    for _ in 0..=luck.below(3) {
        let place = luck.below(line.len().max(1));
        let telling = TELLING[luck.below(TELLING.len())];
        match luck.below(5) {
            0 if !line.is_empty() => line[place] ^= 1 << luck.below(8),
            1 if !line.is_empty() => line[place] = telling,
            2 => line.insert(place.min(line.len()), telling),
            3 => line.truncate(place),
            _ => {
                let copied = line.get(place..).unwrap_or_default().to_vec();
                line.extend(copied);
            }
        }
    }
    // The client sends whole lines, so that it knows how many answers may come.
    line.retain(|byte| *byte != b'\n');
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn of_a_client() {
    let (swtpm, home) = (Swtpm::start(), Home::new());
    let outcome =
        "each line has one answer at most, no line ends the connection, and the key signs";
    endure("lines that are changed in up to three places", outcome, |luck, tally| {
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        let key = server.create("account", "client");
        let valid = [
            initialize().trim_end().to_owned(),
            request("device/key/create", &json!({"accountUserId": "a", "clientId": "c"})),
            request("device/key/sign", &key.sign_params()),
            request("device/key/public", &json!({"keyId": key.id})),
            request("device/key/list", &json!({"limit": 2})),
            request("device/key/attestation/identity", &key.identity_params()),
        ];
        let mut answers = 0;
        for _ in 0..LINES {
            let mut line = valid[luck.below(valid.len())].clone().into_bytes();
            mutate(&mut line, luck);
            line.push(b'\n');
            server.send(&line);
            // The limit of requests in flight is never reached, because the answer of this request
            // comes after those of earlier ones or is one of theirs.
            server.request("device/key/providers", &json!({}));
            let mut answer = server.receive();
            while answer["result"]["providers"].is_null() {
                answers += 1;
                answer = server.receive();
            }
        }
        assert!(answers <= LINES, "{answers} answers");
        tally.add("lines", LINES);
        tally.add("answers", answers);
        // Answers to creations may be outstanding.
        drop(server.finish());
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        server.prove(&key);
        for id in home.assert_only_whole_keys() {
            server.delete(&id);
        }
        server.finish_well();
    });
}

fn request(method: &str, params: &Value) -> String {
    json!({"id": "changed", "method": method, "params": params}).to_string()
}
