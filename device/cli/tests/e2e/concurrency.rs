//! Several app-servers on one home and one TPM.

use std::collections::{BTreeSet, HashMap};
use std::thread;

use device_key_testing::Swtpm;
use serde_json::json;

use crate::home::Home;
use crate::proof::Key;
use crate::server::Server;

const CREATES: usize = 15;
const SIGNATURES_EACH: usize = 4;

/// Creates keys and signs with each key as soon as it exists, while others are still being created.
fn work(server: &mut Server, account: &str) -> Vec<Key> {
    let binding = json!({"accountUserId": account, "clientId": "client"});
    let creating: BTreeSet<i64> =
        (0..CREATES).map(|_| server.request("device/key/create", &binding)).collect();
    let mut keys: Vec<Key> = Vec::new();
    let mut signing: HashMap<i64, Key> = HashMap::new();
    let mut verified = 0;
    while verified < CREATES * SIGNATURES_EACH {
        let answer = server.receive();
        let id = answer["id"].as_i64().unwrap();
        if creating.contains(&id) {
            let key = Key::new(account, "client", &answer);
            for _ in 0..SIGNATURES_EACH {
                let id = server.request("device/key/sign", &key.sign_params());
                signing.insert(id, key.clone());
            }
            keys.push(key);
        } else {
            signing.remove(&id).expect("each is answered once").verify(&answer);
            verified += 1;
        }
    }
    keys
}

#[test]
fn two_servers_take_turns_and_share_their_keys() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    // The home does not exist yet, so both servers create it.
    let mut one = Server::spawn(&mut home.app_server(&swtpm.address()));
    let mut two = Server::spawn(&mut home.app_server(&swtpm.address()));
    one.initialize();
    two.initialize();
    let (of_one, of_two) = thread::scope(|scope| {
        let first = scope.spawn(|| work(&mut one, "account-one"));
        let second = scope.spawn(|| work(&mut two, "account-two"));
        (first.join().unwrap(), second.join().unwrap())
    });
    thread::scope(|scope| {
        scope.spawn(|| of_two.iter().for_each(|key| one.prove(key)));
        scope.spawn(|| of_one.iter().for_each(|key| two.prove(key)));
    });
    let made: BTreeSet<String> = of_one.iter().chain(&of_two).map(|key| key.id.clone()).collect();
    assert_eq!(made.len(), 2 * CREATES);
    assert_eq!(home.assert_only_whole_keys(), made);
    one.finish_well();
    two.finish_well();
    assert_eq!(home.assert_at_rest(), made);
}

/// When many servers start on a new home, nothing is prepared twice and no server fails.
#[test]
fn many_servers_start_at_once_on_a_new_home() {
    let home = Home::new();
    let mut servers: Vec<Server> =
        (0..8).map(|_| Server::spawn(&mut home.app_server(crate::program::ABSENT))).collect();
    for server in &mut servers {
        assert!(server.initialize().is_object());
    }
    servers.into_iter().for_each(Server::finish_well);
    assert_eq!(home.assert_at_rest(), BTreeSet::new());
    home.assert_private();
}
