//! The shared test vectors for single values.

use device_key_testing::vectors;
use device_key_types::{AccountUserId, ClientId, DeviceKeyId, Origin, Reason};

#[test]
fn key_ids() {
    for vector in vectors::key_ids() {
        let parsed = vector.key_id.parse::<DeviceKeyId>();
        if vector.valid {
            assert_eq!(parsed.unwrap().to_string(), vector.key_id);
        } else {
            assert_eq!(parsed.map_err(Reason::as_str).err(), vector.reason.as_deref());
        }
    }
}

#[test]
fn origins_are_canonical_or_refused() {
    for vector in vectors::origins() {
        let parsed = vector.origin.parse::<Origin>();
        if vector.reason.as_deref() == Some(Reason::OriginNotCanonical.as_str()) {
            assert_eq!(parsed.err(), Some(Reason::OriginNotCanonical), "{}", vector.origin);
        } else {
            assert_eq!(parsed.unwrap().as_str(), vector.origin);
        }
    }
}

#[test]
fn bindings() {
    for vector in vectors::bindings() {
        let account = vector.account_user_id.parse::<AccountUserId>().map(|_| ());
        let client = vector.client_id.parse::<ClientId>().map(|_| ());
        let parsed = account
            .map_err(|reason| ("accountUserId", reason.as_str()))
            .and_then(|()| client.map_err(|reason| ("clientId", reason.as_str())));
        let expected = match (&vector.field, &vector.reason) {
            (Some(field), Some(reason)) => Err((field.as_str(), reason.as_str())),
            _ => Ok(()),
        };
        assert_eq!(parsed, expected, "{}", vector.comment);
        assert_eq!(parsed.is_ok(), vector.valid);
    }
}
