//! `Debug` and `Display` reveal no account, client, nonce or digest to logs.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

use std::error::Error;
use std::fmt::Debug;

use device_key::{CreatingKey, LocalPeer};
use device_key_testing::{Assembly, MemoryProvider, SequenceRandom, samples};
use device_key_types::payload::{Connection, Draft, Enrollment};
use device_key_types::{Binding, ErrorChain, ProtectionClass, ProtectionPolicy, SignPayload};

const PEER: LocalPeer = samples::peer(1000);
const SECRETS: [&str; 7] = [
    "secret-account",
    "secret-client",
    "secret-session",
    "secret-challenge",
    "c2VjcmV0LW5vbmNlLXNlY3JldC1ub25jZS1zZWNyZXQtbm8",
    "secret-nonce-secret-nonce-secret-no",
    "JWa3lVSkT-D16xpyNEmCWRNo8kTkNHPTNXgI5Zc7FSg",
];

fn reveals_nothing(shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn hides(value: &impl Debug) {
    reveals_nothing(&format!("{value:?}"));
    reveals_nothing(&format!("{value:#?}"));
}

fn error_hides(error: &(impl Error + 'static)) {
    hides(error);
    reveals_nothing(&ErrorChain(error).to_string());
}

fn binding() -> Binding {
    Binding { account_user_id: SECRETS[0].parse().unwrap(), client_id: SECRETS[1].parse().unwrap() }
}

fn connection() -> Connection {
    Connection {
        nonce: SECRETS[4].parse().unwrap(),
        session_id: SECRETS[2].parse().unwrap(),
        account_user_id: binding().account_user_id,
        client_id: binding().client_id,
        token_sha256: SECRETS[6].parse().unwrap(),
        ..samples::connection()
    }
}

fn enrollment() -> Enrollment {
    Enrollment {
        nonce: SECRETS[4].parse().unwrap(),
        challenge_id: SECRETS[3].parse().unwrap(),
        account_user_id: binding().account_user_id,
        client_id: binding().client_id,
        device_identity_sha256: SECRETS[6].parse().unwrap(),
        ..samples::enrollment()
    }
}

#[tokio::test]
async fn values_hide_their_text() {
    let assembly = Assembly::new().provider(MemoryProvider::hardware());
    let bindings = assembly.bindings.clone();
    let store = assembly.store();
    let key = store.create(&PEER, binding(), ProtectionPolicy::HardwareOnly).await.unwrap();
    let payloads = [SignPayload::Connection(connection()), SignPayload::Enrollment(enrollment())];
    for payload in payloads {
        hides(&payload);
        let record = bindings.whole(&key.key_id).unwrap();
        hides(&record);
        let input =
            device_key::authorize(&store.policy(), samples::NOW, &record, &payload).unwrap();
        hides(&input);
        hides(&store.sign(&PEER, &key.key_id, payload).await.unwrap());
    }
    hides(&binding());
    hides(&CreatingKey {
        key_id: SequenceRandom::key_id(1),
        owner: PEER.owner(),
        binding: binding(),
        provider: "provider",
        protection_class: ProtectionClass::HardwareTpm,
        created_at: samples::NOW,
    });
    hides(&store);
    hides(&key);
}

#[tokio::test]
async fn errors_hide_what_was_refused() {
    let store = Assembly::new().provider(MemoryProvider::hardware()).store();
    let policy = ProtectionPolicy::HardwareOnly;
    let key = store.create(&PEER, samples::binding(), policy).await.unwrap();
    let expired = Connection { token_expires_at: samples::NOW, ..connection() };
    for payload in [connection(), expired] {
        let payload = SignPayload::Connection(payload);
        error_hides(&store.sign(&PEER, &key.key_id, payload).await.unwrap_err());
    }
    let unknown = SequenceRandom::key_id(9);
    let payload = SignPayload::Enrollment(enrollment());
    error_hides(&store.sign(&PEER, &unknown, payload).await.unwrap_err());
}

/// The connection as a client sends it.
fn connection_json() -> String {
    let bytes = SignPayload::Connection(connection()).signed_bytes().unwrap();
    let signed = std::str::from_utf8(&bytes).unwrap();
    // The payload within {"domain":…,"payload":…}.
    let (_, payload) = signed.split_once(r#""payload":"#).unwrap();
    payload.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn drafts_hide_their_text() {
    hides(&Draft::from_json(&connection_json()).unwrap());
}

#[test]
fn errors_of_malformed_drafts_hide_their_text() {
    let payload = connection_json();
    for malformed in [
        payload.replace("tokenExpiresAt", "secret-account"),
        payload.replace("1700000060", r#""secret-account""#),
        payload.replace(r#"["remote_control_controller_websocket"]"#, r#""secret-session""#),
        payload.replace("remote_control_client_websocket", "secret-client"),
        payload.replace("remoteControlClientConnection", "secret-client"),
    ] {
        error_hides(&Draft::from_json(&malformed).unwrap_err());
    }
}
