//! `device/key/attestation/*` as clients see them.

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use device_key::DeviceKeyProvider;
use device_key_testing::{MemoryProvider, samples};
use device_key_types::attestation::Claim;
use device_key_types::{ProtectionClass, PublicKey, Sha256Digest};
use serde_json::{Value, json};

use crate::client::{Client, memory, reason, server};

const IDENTITY: &str = "device/key/attestation/identity";
const ACTIVATE: &str = "device/key/attestation/activate";

fn attesting() -> Vec<Arc<dyn DeviceKeyProvider>> {
    vec![Arc::new(MemoryProvider::hardware().attesting())]
}

/// As [`samples::attestation_challenge`].
fn challenge() -> Value {
    json!({
        "type": "remoteControlClientAttestation",
        "audience": "remote_control_client_attestation",
        "nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "challengeId": "rch_123",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": "/wham/remote/control/client/enroll/attestation",
        "accountUserId": "account-user-1",
        "clientId": "cli_123",
        "challengeExpiresAt": samples::NOW.as_seconds() + samples::LIFETIME_SECONDS,
    })
}

fn params(key_id: &str) -> Value {
    json!({
        "keyId": key_id,
        "challenge": challenge(),
        "credentialBlob": Base64::encode_string(b"secret"),
        "encryptedSecret": Base64::encode_string(key_id.as_bytes()),
    })
}

async fn claim(client: &mut Client, key_id: &str) -> Claim {
    let public = client.call("device/key/public", json!({"keyId": key_id})).await;
    let spki = public["result"]["publicKeySpkiDerBase64"].as_str().unwrap();
    Claim {
        challenge: samples::attestation_challenge(),
        key_id: key_id.parse().unwrap(),
        public_key: PublicKey::from_spki_der(&Base64::decode_vec(spki).unwrap()).unwrap(),
        protection_class: ProtectionClass::HardwareTpm,
    }
}

#[tokio::test]
async fn a_key_is_attested_in_two_steps() {
    let (server, _) = server(attesting());
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("account-user-1", "cli_123").await;
    let claim = claim(&mut client, &key_id).await;

    let mut asked = params(&key_id);
    asked["endorsementKey"] = json!("rsa_2048");
    let identity = client.call(IDENTITY, asked.clone()).await["result"].take();
    let digest = claim.identity_digest().unwrap();
    let expected = Base64::encode_string(digest.as_bytes());
    assert_eq!(identity["attestationKeyCreationAttestBase64"], expected);
    assert_eq!(identity["endorsementKey"], "rsa_2048");
    assert_eq!(identity["endorsementKeyCertificatesBase64"].as_array().unwrap().len(), 1);

    let activation = client.call(ACTIVATE, asked).await["result"].take();
    let digest = claim.certification_digest(&Sha256Digest::of(b"secret")).unwrap();
    assert_eq!(activation["attestBase64"], Base64::encode_string(digest.as_bytes()));
    assert_eq!(activation["secretBase64"], Base64::encode_string(b"secret"));
}

#[tokio::test]
async fn the_first_fault_in_order_is_reported_with_its_field() {
    let (server, _) = server(attesting());
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("account-user-1", "cli_123").await;
    let with = |path: &str, value: Value| {
        let mut params = params(&key_id);
        *params.pointer_mut(path).unwrap() = value;
        params
    };
    let mut extra = params(&key_id);
    extra["challenge"]["extra"] = json!(1);
    let mut other_type = params("../x");
    other_type["challenge"]["type"] = json!("remoteControlClientEnrollment");
    let cases = [
        (extra, "invalid_params", None),
        (other_type, "invalid_params", None),
        (with("/challenge", json!([])), "invalid_params", None),
        (with("/keyId", json!("../x")), "invalid_key_id", Some("keyId")),
        (with("/challenge/nonce", json!("AAAA")), "invalid_nonce", Some("challenge.nonce")),
        (
            with("/challenge/targetPath", json!("/wham/remote/control/client/enroll")),
            "path_not_allowed",
            Some("challenge.targetPath"),
        ),
        (
            with("/challenge/challengeExpiresAt", json!(0)),
            "expired",
            Some("challenge.challengeExpiresAt"),
        ),
        (with("/challenge/clientId", json!("another")), "binding_mismatch", None),
    ];
    for (params, expected, field) in cases {
        for method in [IDENTITY, ACTIVATE] {
            let answer = client.call(method, params.clone()).await;
            assert_eq!(reason(&answer), expected, "{method}");
            let told = answer["error"]["data"]["field"].as_str();
            assert_eq!(told, field, "{method}");
        }
    }
    for (params, expected, field) in [
        (with("/credentialBlob", json!("A")), "invalid_params", Some("credentialBlob")),
        (with("/encryptedSecret", json!("A=")), "invalid_params", Some("encryptedSecret")),
        (with("/encryptedSecret", json!("AAAA")), "credential_not_activated", None),
    ] {
        let answer = client.call(ACTIVATE, params).await;
        assert_eq!(
            (reason(&answer), answer["error"]["code"].as_i64()),
            (expected, Some(code(expected)))
        );
        assert_eq!(answer["error"]["data"]["field"].as_str(), field);
    }
}

fn code(reason: &str) -> i64 {
    if reason == "invalid_params" { -32602 } else { -32600 }
}

#[tokio::test]
async fn a_key_whose_provider_cannot_attest_is_refused() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let key_id = client.create("account-user-1", "cli_123").await;
    for method in [IDENTITY, ACTIVATE] {
        let answer = client.call(method, params(&key_id)).await;
        assert_eq!(reason(&answer), "attestation_unavailable");
    }
}
