//! Kills the app-server at arbitrary moments.

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
fn a_kill_during_pipelined_creations_leaves_every_key_whole_or_gone() {
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
        // The kill comes a different time after the last answer in each round.
        answers.extend(server.receive_within(Duration::from_micros(u64::from(round) * 700)));
        answers.extend(server.kill());
        assert!(answers.len() < PIPELINED, "the server was killed before it was done");
        interrupted += home.records("creating").len();

        home.recover();
        let ready = home.assert_at_rest();
        for answer in answers {
            let key = Key::new("account", "client", &answer);
            assert!(ready.contains(&key.id), "an answered key exists");
            keys.insert(key.id.clone(), key);
        }
        assert!(keys.keys().all(|id| ready.contains(id)), "nothing is lost later");
    }
    assert!(interrupted > 0, "no round stopped in the middle of a creation");
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    for key in keys.values() {
        server.prove(key);
    }
    // A key whose answer was lost works like any other key.
    for id in home.assert_only_whole_keys() {
        let key = server.existing("account", "client", &id);
        server.prove(&key);
    }
    server.finish_well();
}
