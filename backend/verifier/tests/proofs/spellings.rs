//! Tests with bytes that the right key signed and that are not the canonical form of a statement.

use device_key_testing::samples::{self, NOW};
use device_key_types::{Field, Reason};
use device_key_verifier::ProofError;
use serde_json::{Value, json};

use crate::signer::{Signer, connection_bytes};

fn error_of(signed: &[u8]) -> ProofError {
    Signer::new().connect(signed, &samples::connection(), NOW).unwrap_err()
}

fn text() -> String {
    String::from_utf8(connection_bytes(&samples::connection())).unwrap()
}

/// Returns the statement with `part`, which must occur once, replaced by `other`.
fn respelled(part: &str, other: &str) -> String {
    let text = text();
    assert_eq!(text.matches(part).count(), 1, "{part}");
    text.replacen(part, other, 1)
}

/// Returns the statement after a change of its JSON value.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut signed: Value = serde_json::from_str(&text()).unwrap();
    change(&mut signed);
    signed.to_string()
}

#[test]
fn the_expected_statement_in_another_spelling_is_not_canonical() {
    let account = r#""accountUserId":"account-user-1","#;
    let moved = respelled(account, "")
        .replace(r#""audience""#, &format!(r#"{}"audience""#, ""))
        .replace(r#""clientId""#, &format!(r#"{account}"clientId""#));
    for signed in [
        format!(" {}", text()),
        format!("{}\n", text()),
        respelled(r#""payload":{"#, r#""payload": {"#),
        respelled(r#""nonce":"#, "\t\"nonce\":"),
        respelled("cli_123", r"cli\u005f123"),
        respelled("cli_123", r"\u0063li_123"),
        respelled("https://chatgpt.com", r"https:\/\/chatgpt.com"),
        respelled(r#""clientId""#, r#""client\u0049d""#),
        respelled(r#""domain""#, r#""d\u006fmain""#),
        respelled("codex-device-key", r"\u0063odex-device-key"),
        moved,
    ] {
        assert_eq!(error_of(signed.as_bytes()), ProofError::NotCanonical, "{signed}");
    }
    // The two members of the outer object are swapped.
    let payload = text();
    let payload = payload.split_once(r#""payload":"#).unwrap().1.strip_suffix('}').unwrap();
    let swapped = format!(r#"{{"payload":{payload},"domain":"codex-device-key-sign-payload/v1"}}"#);
    assert_eq!(error_of(swapped.as_bytes()), ProofError::NotCanonical);
}

#[test]
fn another_shape_is_malformed() {
    for signed in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("[{}]", text()),
        format!("{}{{}}", text()),
        format!("\u{feff}{}", text()),
        // The values are in an array, which a derived parser would accept.
        changed(|signed| {
            *signed = json!([signed["domain"], signed["payload"]]);
        }),
        changed(|signed| {
            signed["payload"] = Value::from(signed["payload"].to_string());
        }),
        changed(|signed| {
            signed.as_object_mut().unwrap().remove("domain");
        }),
        changed(|signed| {
            signed.as_object_mut().unwrap().remove("payload");
        }),
        changed(|signed| signed["domain"] = Value::Null),
        changed(|signed| signed["other"] = 1.into()),
        changed(|signed| signed["payload"]["other"] = 1.into()),
        changed(|signed| signed["payload"]["tokenExpiresAt"] = "1700000060".into()),
        changed(|signed| signed["payload"]["type"] = "remoteControl".into()),
        changed(|signed| {
            signed["payload"]["audience"] = "remote_control_client_enrollment".into();
        }),
        // A member occurs twice, at either depth, spelled identically or differently.
        respelled(r#"{"domain""#, r#"{"domain":"codex-device-key-sign-payload/v1","domain""#),
        respelled(r#""clientId""#, r#""clientId":"cli_123","clientId""#),
        respelled(r#""clientId""#, r#""client\u0049d":"cli_123","clientId""#),
        // The number equals the expiry but is not written as an integer.
        respelled("1700000060", "1700000060.0"),
        respelled("1700000060", "1.70000006e9"),
        respelled("1700000060", "1700000060e0"),
        respelled("1700000060", "01700000060"),
        respelled("1700000060", "+1700000060"),
        // Only lenient parsers accept this JSON.
        respelled(r#""cli_123""#, "'cli_123'"),
        respelled(r#"],"sessionId""#, r#",],"sessionId""#),
        respelled(r#""nonce""#, r#"/**/"nonce""#),
    ] {
        assert_eq!(error_of(signed.as_bytes()), ProofError::MalformedStatement, "{signed}");
    }
    let invalid_utf8 = text().replace("cli_123", "cli_12x").into_bytes();
    let invalid_utf8: Vec<u8> =
        invalid_utf8.iter().map(|byte| if *byte == b'x' { 0xff } else { *byte }).collect();
    assert_eq!(error_of(&invalid_utf8), ProofError::MalformedStatement);
}

#[test]
fn another_domain_is_refused() {
    for domain in ["", "codex-device-key-sign-payload/v2", "device-key-attestation/v1"] {
        let signed = changed(|signed| signed["domain"] = domain.into());
        assert_eq!(error_of(signed.as_bytes()), ProofError::WrongDomain, "{domain}");
    }
}

#[test]
fn a_field_with_an_invalid_value_is_named() {
    for (name, value, field, reason) in [
        ("nonce", json!("AAAA"), Field::Nonce, Reason::InvalidNonce),
        ("sessionId", json!(""), Field::SessionId, Reason::EmptyField),
        (
            "targetOrigin",
            json!("https://chatgpt.com/"),
            Field::TargetOrigin,
            Reason::OriginNotCanonical,
        ),
        ("targetPath", json!("/a/../b"), Field::TargetPath, Reason::PathNotAllowed),
        ("accountUserId", json!("a\u{7f}"), Field::AccountUserId, Reason::ControlCharacter),
        ("clientId", json!("x".repeat(513)), Field::ClientId, Reason::FieldTooLong),
        ("tokenSha256Base64url", json!("AA=="), Field::TokenSha256, Reason::InvalidDigest),
        ("scopes", json!([]), Field::Scopes, Reason::ScopesMismatch),
        (
            "scopes",
            json!(["remote_control_controller_websocket", "more"]),
            Field::Scopes,
            Reason::ScopesMismatch,
        ),
    ] {
        let signed = changed(|signed| signed["payload"][name] = value);
        let error = error_of(signed.as_bytes());
        assert_eq!(error.field(), Some(field), "{name}");
        assert_eq!(error.reason(), reason.as_str(), "{name}");
    }
}
