//! Runs the shared test vectors over the protocol, with keys in a TPM and the system's clock.

use std::collections::HashMap;

use base64ct::{Base64, Encoding as _};
use device_key_testing::Swtpm;
use device_key_testing::vectors::{self, Expectation, PayloadVector};
use serde_json::{Value, json};

use crate::home::Home;
use crate::proof::unix_seconds;
use crate::server::{Server, reason};

/// The largest distance, in seconds, between the vector's clock and an expiry that moves with the
/// clock. An expiry further away, such as the largest number, stays as it is.
const RELATIVE: i64 = 24 * 60 * 60;

/// Does `work` within one second of the clock, so that expiries are as exact as with a clock that
/// stands still. If the second changes during the work, the work is repeated.
fn in_one_second<T>(mut work: impl FnMut(i64) -> T) -> T {
    for _ in 0..50 {
        let now = unix_seconds();
        let done = work(now);
        if unix_seconds() == now {
            return done;
        }
    }
    panic!("nothing is done within one second");
}

/// A vector moved to another time.
struct Shifted {
    payload: Value,
    signed: Option<String>,
}

impl Shifted {
    fn to(now: i64, vector: &PayloadVector) -> Self {
        let mut payload = vector.payload.clone();
        let mut signed = match &vector.expect {
            Expectation::Signed(signed) => {
                assert_eq!(
                    Base64::encode_string(signed.signed_utf8.as_bytes()),
                    signed.signed_base64
                );
                Some(signed.signed_utf8.clone())
            }
            Expectation::Refused(_) => None,
        };
        for field in ["tokenExpiresAt", "challengeExpiresAt"] {
            let Some(at) = payload.get(field).and_then(Value::as_i64) else { continue };
            let Some(ahead) = at.checked_sub(vector.now).filter(|ahead| ahead.abs() < RELATIVE)
            else {
                continue;
            };
            payload[field] = json!(now + ahead);
            signed = signed.map(|text| {
                let member = format!("\"{field}\":{at}");
                assert_eq!(text.matches(&member).count(), 1, "{text}");
                text.replace(&member, &format!("\"{field}\":{}", now + ahead))
            });
        }
        Self { payload, signed }
    }
}

#[test]
fn payloads() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let mut keys = HashMap::new();
    let mut signed_by_type: HashMap<String, usize> = HashMap::new();
    for vector in vectors::payloads() {
        let binding = &vector.binding;
        let name = (binding.account_user_id.clone(), binding.client_id.clone());
        let key = keys
            .entry(name)
            .or_insert_with(|| server.create(&binding.account_user_id, &binding.client_id));
        let (shifted, answer) = in_one_second(|now| {
            let shifted = Shifted::to(now, &vector);
            let params = json!({"keyId": key.id, "payload": shifted.payload});
            let answer = server.call("device/key/sign", &params);
            (shifted, answer)
        });
        match &vector.expect {
            Expectation::Signed(_) => {
                assert!(answer["result"].is_object(), "{}: {answer}", vector.comment);
                let message = key.verify(&answer);
                let expected = shifted.signed.unwrap();
                assert_eq!(String::from_utf8_lossy(&message), expected, "{}", vector.comment);
                assert!(key.openssl_verifies(&answer, &message), "{}", vector.comment);
                let longer = [&message[..], b" "].concat();
                assert!(!key.openssl_verifies(&answer, &longer), "{}", vector.comment);
                *signed_by_type.entry(shifted.payload["type"].to_string()).or_default() += 1;
            }
            Expectation::Refused(refused) => {
                assert_eq!(reason(&answer), refused.error, "{}", vector.comment);
                let field = refused.field.as_ref().map(|field| format!("payload.{field}"));
                assert_eq!(answer["error"]["data"]["field"].as_str(), field.as_deref());
                let code = if refused.error == "invalid_params" { -32602 } else { -32600 };
                assert_eq!(answer["error"]["code"], code, "{}", vector.comment);
            }
        }
    }
    assert!(signed_by_type.len() == 2 && signed_by_type.values().all(|count| *count >= 2));
    server.finish_well();
    assert_eq!(home.assert_at_rest().len(), keys.len());
}

#[test]
fn key_ids_and_origins() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create("account", "client");
    for vector in vectors::key_ids() {
        let sign = json!({"keyId": vector.key_id, "payload": key.payload()});
        for (method, params) in
            [("device/key/public", json!({"keyId": vector.key_id})), ("device/key/sign", sign)]
        {
            let answer = server.call(method, &params);
            if vector.valid {
                assert_eq!(reason(&answer), "key_not_found", "{}", vector.comment);
            } else {
                assert_eq!(reason(&answer), vector.reason.as_deref().unwrap());
                assert_eq!(answer["error"]["data"]["field"], "keyId", "{}", vector.comment);
            }
            assert_eq!(answer["error"]["code"], -32600);
        }
    }
    for vector in vectors::origins() {
        let mut params = key.sign_params();
        params["payload"]["targetOrigin"] = json!(vector.origin);
        let answer = server.call("device/key/sign", &params);
        if vector.allowed {
            let signed: Value = serde_json::from_slice(&key.verify(&answer)).unwrap();
            let origin = json!(vector.origin);
            assert_eq!(signed.pointer("/payload/targetOrigin"), Some(&origin), "{signed}");
        } else {
            assert_eq!(reason(&answer), vector.reason.as_deref().unwrap(), "{}", vector.origin);
            assert_eq!(answer["error"]["data"]["field"], "payload.targetOrigin");
        }
    }
    server.finish_well();
}

#[test]
fn bindings() {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let mut created = 0;
    for vector in vectors::bindings() {
        if vector.valid {
            let key = server.create(&vector.account_user_id, &vector.client_id);
            server.prove(&key);
            created += 1;
            continue;
        }
        let params = json!({"accountUserId": vector.account_user_id, "clientId": vector.client_id});
        let answer = server.call("device/key/create", &params);
        assert_eq!(reason(&answer), vector.reason.as_deref().unwrap(), "{}", vector.comment);
        assert_eq!(answer["error"]["data"]["field"].as_str(), vector.field.as_deref());
    }
    server.finish_well();
    assert_eq!(home.assert_at_rest().len(), created, "refused creations leave nothing");
}
