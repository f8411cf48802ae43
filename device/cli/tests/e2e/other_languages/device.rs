//! Proofs that the real program signs with a key in a TPM, unchanged and tampered with.

use device_key_testing::Swtpm;
use device_key_testing::vectors::{self, Expectation};
use device_key_types::ProtectionClass;
use device_key_types::payload::device_identity_digest;
use device_key_verifier::ProofKey;
use serde_json::{Value, json};

use super::case::{Case, SoftwareKey, remove};
use super::language::{judge, outputs};
use crate::home::Home;
use crate::proof::{DIGEST, Key, NONCE, decoded, unix_seconds};
use crate::server::Server;

/// Characters that JSON must escape, characters that it need not, and each length in UTF-8.
const ACCOUNT: &str = "\"ac\\count\"/<&>'é€\u{2028}\u{1f511}";
const OTHER_ID: &str = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A connection and an enrollment by one key, and the public key of another key.
struct Signed {
    connection: Case,
    enrollment: Case,
    other_spki: Vec<u8>,
}

fn signed_by_the_program() -> Signed {
    let swtpm = Swtpm::start();
    let home = Home::new();
    let mut server = Server::start(&mut home.app_server(&swtpm.address()));
    let key = server.create(ACCOUNT, "client");
    let other = server.create(ACCOUNT, "client");
    let expires_at = unix_seconds() + 60;

    let mut connection = key.payload();
    connection["tokenExpiresAt"] = json!(expires_at);
    let mut expected = connection.clone();
    remove(&mut expected, &["type", "audience", "scopes"]);
    let connection = proof(&mut server, &key, "connection", &connection, expected);

    let public = ProofKey::from_spki_der(key.spki()).unwrap();
    let id = key.id.parse().unwrap();
    let identity =
        device_identity_digest(&id, ProtectionClass::HardwareTpm, public.public_key()).unwrap();
    let enrollment = json!({
        "type": "remoteControlClientEnrollment",
        "nonce": NONCE,
        "audience": "remote_control_client_enrollment",
        "challengeId": "challenge",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/wham/remote/control/client/enroll",
        "accountUserId": ACCOUNT,
        "clientId": "client",
        "deviceIdentitySha256Base64url": identity.to_string(),
        "challengeExpiresAt": expires_at,
    });
    let mut expected = enrollment.clone();
    remove(&mut expected, &["type", "audience", "deviceIdentitySha256Base64url"]);
    expected["keyId"] = json!(key.id);
    expected["protectionClass"] = json!("hardware_tpm");
    let enrollment = proof(&mut server, &key, "enrollment", &enrollment, expected);

    server.finish_well();
    Signed { connection, enrollment, other_spki: other.spki().to_vec() }
}

fn proof(
    server: &mut Server,
    key: &Key,
    statement: &'static str,
    payload: &Value,
    expected: Value,
) -> Case {
    let answer = server.call("device/key/sign", &json!({"keyId": key.id, "payload": payload}));
    let signed = key.verify(&answer);
    let now = expiry(&expected).1 - 60;
    Case {
        name: statement.to_owned(),
        statement,
        signed,
        signature: decoded(&answer["result"]["signatureDerBase64"]),
        spki: key.spki().to_vec(),
        expected,
        now,
        outcome: "ok".to_owned(),
    }
}

/// The name and the value of the expiry.
fn expiry(expected: &Value) -> (&'static str, i64) {
    ["tokenExpiresAt", "challengeExpiresAt"]
        .into_iter()
        .find_map(|name| Some((name, expected.get(name)?.as_i64()?)))
        .unwrap()
}

/// Another value that the field could have.
fn another(field: &str, value: &Value) -> Value {
    match field {
        "nonce" => json!(format!("{NONCE}AAAA")),
        "targetOrigin" => json!("https://chatgpt.com:8443"),
        "targetPath" => json!("/api/codex/remote/control/client"),
        "tokenSha256Base64url" => json!(DIGEST.replacen('4', "5", 1)),
        "keyId" => json!(OTHER_ID),
        "protectionClass" => json!("os_protected_nonextractable"),
        "tokenExpiresAt" | "challengeExpiresAt" => json!(value.as_i64().unwrap() + 1),
        _ => json!(format!("{}2", value.as_str().unwrap())),
    }
}

fn with_each_byte_changed(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|index| {
        let mut changed = bytes.to_vec();
        changed[index] ^= 1;
        (index, changed)
    })
}

#[test]
fn only_unchanged_proofs_of_a_device_are_accepted() {
    let Signed { connection, enrollment, other_spki } = signed_by_the_program();
    let mut cases = vec![connection.clone(), enrollment.clone()];
    for right in [&connection, &enrollment] {
        let mut refused = |name: &str, outcome: &str, change: &dyn Fn(&mut Case)| {
            cases.push(right.but(&format!("{}: {name}", right.name), outcome, change));
        };
        for (index, changed) in with_each_byte_changed(&right.signed) {
            let name = format!("byte {index} of what was signed");
            refused(&name, "invalid_signature", &|case| case.signed.clone_from(&changed));
        }
        for (index, changed) in with_each_byte_changed(&right.signature) {
            let name = format!("byte {index} of the signature");
            refused(&name, "invalid_signature", &|case| case.signature.clone_from(&changed));
        }
        refused("a byte more", "invalid_signature", &|case| case.signed.push(b' '));
        refused("a byte less", "invalid_signature", &|case| case.signed.truncate(9));
        refused("nothing", "invalid_signature", &|case| case.signed.clear());
        refused("another key", "invalid_signature", &|case| case.spki.clone_from(&other_spki));

        for (field, value) in right.expected.as_object().unwrap() {
            let reported = match field.as_str() {
                "keyId" | "protectionClass" => "deviceIdentitySha256Base64url",
                field => field,
            };
            refused(field, &format!("field_mismatch:{reported}"), &|case| {
                case.expected[field] = another(field, value);
                // A mismatch is reported before an expiry.
                case.now += 1_000_000;
            });
        }
        let (field, expires_at) = expiry(&right.expected);
        let (late, early) = (format!("expired:{field}"), format!("expires_too_late:{field}"));
        for (ahead, outcome) in
            [(-1, &*late), (0, &late), (1, "ok"), (900, "ok"), (901, &early), (1_000_000, &early)]
        {
            refused(&format!("{ahead} s to its expiry"), outcome, &|case| {
                case.now = expires_at - ahead;
            });
        }
    }
    for (asked, signed) in [(&connection, &enrollment), (&enrollment, &connection)] {
        let name = format!("{} instead of {}", signed.name, asked.name);
        cases.push(asked.but(&name, "wrong_statement", |case| {
            case.signed.clone_from(&signed.signed);
            case.signature.clone_from(&signed.signature);
        }));
        cases.push(asked.but(&name, "invalid_signature", |case| {
            case.signature.clone_from(&signed.signature);
        }));
    }
    judge(&cases);
}

#[test]
fn every_language_accepts_the_signed_bytes_of_the_shared_vectors() {
    let key = SoftwareKey::new();
    let mut cases = Vec::new();
    for vector in vectors::payloads() {
        let Expectation::Signed(signed) = &vector.expect else { continue };
        // The enrollment contains the device identity digest of another key.
        if vector.payload.get("sessionId").is_none() {
            continue;
        }
        let mut case = key.connection_of(vector.payload, vector.now);
        case.name.clone_from(&vector.comment);
        case.signed = signed.signed_utf8.clone().into_bytes();
        case.signature = key.sign(&case.signed);
        cases.push(case);
    }
    assert!(cases.len() > 3, "{} vectors", cases.len());
    judge(&cases);
}

/// A missing expectation is a fault of the backend, and no client may profit from it.
#[test]
fn a_missing_expectation_is_an_error() {
    let key = SoftwareKey::new();
    let right = key.connection();
    let without = |value: Option<Value>| {
        let name = "sessionId";
        let mut case = right.clone();
        let mut payload: Value = serde_json::from_slice(&case.signed).unwrap();
        for members in [&mut case.expected, &mut payload["payload"]] {
            remove(members, &[name]);
            if let Some(value) = &value {
                members[name] = value.clone();
            }
        }
        // The key signs a statement that lacks this member too.
        case.signed = payload.to_string().into_bytes();
        case.signature = key.sign(&case.signed);
        case.line()
    };
    let holes = [None, Some(Value::Null), Some(json!("")), Some(json!(true)), Some(json!({}))];
    for hole in holes {
        for (language, output) in outputs(&without(hole.clone())) {
            assert!(!output.status.success() && output.stdout.is_empty(), "{language}: {hole:?}");
        }
    }
}
