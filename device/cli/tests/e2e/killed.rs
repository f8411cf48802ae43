//! The app-server itself, killed wherever it happens to be.

use std::collections::BTreeMap;
use std::time::Duration;

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::proof::Key;
use crate::server::Server;

const ROUNDS: u32 = 12;
const PIPELINED: usize = 30;

#[test]
fn killed_among_pipelined_creations_every_key_is_whole_or_gone() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        let binding = json!({"accountUserId": "account", "clientId": "client"});
        for _ in 0..PIPELINED {
            server.request("device/key/create", &binding);
        }
        let mut answers: Vec<Value> = (0..round % 5).map(|_| server.receive()).collect();
        // Another distance from the last answer in each round, unless the next comes first.
        answers.extend(server.receive_within(Duration::from_micros(u64::from(round) * 700)));
        answers.extend(server.kill());
        assert!(answers.len() < PIPELINED, "it was killed before it was done");
        interrupted += home.records("creating").len();

        home.recover();
        let ready = home.assert_at_rest();
        for answer in answers {
            let key = Key::new("account", "client", &answer);
            assert!(ready.contains(&key.id), "what was answered is there");
            keys.insert(key.id.clone(), key);
        }
        assert!(keys.keys().all(|id| ready.contains(id)), "nothing is lost later");
    }
    assert!(interrupted > 0, "no round stopped in the middle of a creation");
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    for key in keys.values() {
        server.prove(key);
    }
    // Nor does a key whose answer was lost differ from others.
    for id in home.assert_only_whole_keys() {
        let key = server.existing("account", "client", &id);
        server.prove(&key);
    }
    server.finish_well();
}
