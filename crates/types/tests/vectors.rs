//! Every shared vector that concerns a value alone.

use device_key_types::{AccountUserId, ClientId, DeviceKeyId, Origin};
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../../testdata/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

#[test]
fn key_ids() {
    for vector in vectors("key_ids.json") {
        let text = vector["key_id"].as_str().unwrap();
        let parsed = text.parse::<DeviceKeyId>();
        if vector["valid"].as_bool().unwrap() {
            assert_eq!(parsed.unwrap().to_string(), text);
        } else {
            assert_eq!(parsed.unwrap_err().as_str(), vector["reason"], "{vector}");
        }
    }
}

#[test]
fn origins_are_canonical_or_refused() {
    for vector in vectors("origins.json") {
        let text = vector["origin"].as_str().unwrap();
        let parsed = text.parse::<Origin>();
        if vector["reason"] == "origin_not_canonical" {
            assert_eq!(parsed.unwrap_err().as_str(), vector["reason"], "{vector}");
        } else {
            assert_eq!(parsed.unwrap().as_str(), text);
        }
    }
}

#[test]
fn bindings() {
    for vector in vectors("bindings.json") {
        let account = vector["accountUserId"].as_str().unwrap().parse::<AccountUserId>();
        let client = vector["clientId"].as_str().unwrap().parse::<ClientId>();
        let refused = account
            .map(|_| ())
            .map_err(|reason| ("accountUserId", reason))
            .and_then(|()| client.map(|_| ()).map_err(|reason| ("clientId", reason)));
        if vector["valid"].as_bool().unwrap() {
            assert_eq!(refused, Ok(()), "{vector}");
        } else {
            let (field, reason) = refused.unwrap_err();
            assert_eq!(field, vector["field"], "{vector}");
            assert_eq!(reason.as_str(), vector["reason"], "{vector}");
        }
    }
}
