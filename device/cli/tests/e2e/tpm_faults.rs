//! The answers to a client when the TPM is absent, is another one, or disappears. The client stays
//! connected.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use device_key_testing::Swtpm;
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::{ABSENT, device_key};
use crate::server::{Server, reason};

fn binding() -> Value {
    json!({"accountUserId": "account", "clientId": "client"})
}

/// Asserts that a creation is refused for this reason and leaves nothing.
fn assert_no_creation(server: &mut Server, home: &Home, expected: &str, code: i32) {
    let whole = home.assert_only_whole_keys();
    let answer = server.call("device/key/create", &binding());
    assert_eq!((reason(&answer), &answer["error"]["code"]), (expected, &json!(code)));
    assert_eq!(home.assert_only_whole_keys(), whole);
}

#[test]
fn an_absent_tpm() {
    let home = Home::new();
    let socket = format!("unix:{}", home.beside("no-socket").display());
    for address in [ABSENT, &socket] {
        let mut server = Server::start(&mut home.app_server(address));
        for _ in 0..2 {
            assert_no_creation(&mut server, &home, "hardware_unavailable", -32600);
        }
        // A weaker protection is used only if the client asks for it, and none is available here.
        let mut degraded = binding();
        degraded["protectionPolicy"] = json!("allow_os_protected_nonextractable");
        let answer = server.call("device/key/create", &degraded);
        assert_eq!(reason(&answer), "os_protection_unavailable");
        server.finish_well();
        assert!(home.assert_at_rest().is_empty());
    }
}

#[test]
fn a_simulator_that_is_not_allowed() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut allowed = Server::start(&mut home.app_server(&swtpm.address()));
    let key = allowed.create("account", "client");
    allowed.finish_well();

    let mut command = device_key("app-server");
    command.arg("--home").arg(home.path()).args(["--tpm", &swtpm.address()]);
    let mut server = Server::spawn(&mut command);
    let provider = server.initialize()["deviceKey"]["providers"][0].take();
    assert_eq!(provider["available"], false);
    assert_eq!(provider["reason"], "hardware_unavailable");
    assert_no_creation(&mut server, &home, "hardware_unavailable", -32600);
    assert_eq!(server.refusal_to_sign(&key), "hardware_unavailable");
    server.existing("account", "client", &key.id);
    server.finish_well();
}

#[test]
fn a_tpm_that_stops_and_comes_back() {
    let mut swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.prove(&key);
    for _ in 0..2 {
        swtpm.stop();
        for _ in 0..2 {
            assert_eq!(server.refusal_to_sign(&key), "provider_unavailable");
            assert_no_creation(&mut server, &home, "provider_unavailable", -32603);
        }
        server.existing("account", "client", &key.id);
        swtpm.restart();
        server.prove(&key);
        let new = server.create("account", "client");
        server.prove(&new);
    }
    server.finish_well();
    assert_eq!(home.assert_at_rest().len(), 3);
}

/// The TPM disappears while requests wait for its answer.
#[test]
fn a_tpm_that_stops_during_requests_in_flight() {
    let mut swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    swtpm.pause();
    let sent: Vec<i64> = (0..6)
        .map(|number| match number % 2 {
            0 => server.request("device/key/sign", &key.sign_params()),
            _ => server.request("device/key/create", &binding()),
        })
        .collect();
    // The waiting requests do not block the connection.
    let id = server.request("device/key/public", &json!({"keyId": key.id}));
    assert_eq!(server.receive()["id"], id);
    swtpm.stop();
    let mut answered = Vec::new();
    for _ in &sent {
        let answer = server.receive();
        assert_eq!(reason(&answer), "provider_unavailable");
        answered.push(answer["id"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, sent);
    swtpm.restart();
    server.prove(&key);
    server.finish_well();
    assert_eq!(home.assert_at_rest().len(), 1);
}

/// At whatever step of a creation the TPM stops, the creation is undone and every answer is true.
#[test]
fn a_tpm_that_stops_during_pipelined_creations() {
    let mut swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let mut created = BTreeSet::new();
    for round in 0..8 {
        let sent: Vec<i64> =
            (0..20).map(|_| server.request("device/key/create", &binding())).collect();
        let mut answers: Vec<Value> = (0..round).map(|_| server.receive()).collect();
        answers.extend(server.receive_within(Duration::from_micros(round * 700)));
        swtpm.stop();
        while answers.len() < sent.len() {
            answers.push(server.receive());
        }
        for answer in answers {
            match answer["result"]["keyId"].as_str() {
                Some(id) => assert!(created.insert(id.to_owned())),
                None => assert_eq!(reason(&answer), "provider_unavailable"),
            }
        }
        assert_eq!(home.assert_only_whole_keys(), created);
        swtpm.restart();
    }
    for id in &created {
        let key = server.existing("account", "client", id);
        server.prove(&key);
    }
    server.finish_well();
}

/// A key that the TPM creates could not be found again, so the TPM is not even asked.
#[test]
fn a_key_folder_that_is_gone() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    fs::remove_dir(home.path().join("keys/tpm")).unwrap();
    for _ in 0..2 {
        assert_no_creation(&mut server, &home, "state_replaced", -32603);
    }
    server.finish_well();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.prove(&key);
    let file = home.path().join("keys/tpm").join(format!("{}.pem", key.id));
    fs::remove_file(file).unwrap();
    server.create("account", "client");
    assert_eq!(server.refusal_to_sign(&key), "key_lost");
    server.finish_well();
}

/// With another TPM the keys of the first are lost. They are neither used nor replaced.
#[test]
fn another_tpm_in_place_of_the_first() {
    let (swtpm, other) = (Swtpm::start(), Swtpm::start());
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    server.finish_well();
    let mut server = Server::start(&mut home.app_server(&other.address()));
    assert_eq!(server.refusal_to_sign(&key), "key_lost");
    server.finish_well();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    server.prove(&key);
    server.finish_well();
}

#[test]
fn a_cleared_tpm() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let lost = server.create("account", "client");
    server.prove(&lost);
    swtpm.run_tool("tpm2_clear", &[]);
    assert_eq!(server.refusal_to_sign(&lost), "key_lost");
    let new = server.create("account", "client");
    server.prove(&new);
    let answer = server.call("device/key/sign", &lost.sign_params());
    assert_eq!((reason(&answer), &answer["error"]["code"]), ("key_lost", &json!(-32603)));
    server.finish_well();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    server.prove(&new);
    assert_eq!(server.refusal_to_sign(&lost), "key_lost");
    server.finish_well();
    assert_eq!(home.assert_at_rest().len(), 2, "a lost key stays listed for its owner");
}
