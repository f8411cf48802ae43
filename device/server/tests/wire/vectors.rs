//! Every shared vector, as a client would send it.

use base64ct::{Base64, Encoding as _};
use device_key_protocol::error_code;
use device_key_testing::vectors::{self, Expectation};
use device_key_types::{PublicKey, Reason, Signature, UnixTime};
use serde_json::{Value, json};

use crate::client::{Client, memory, reason, server};

fn decoded(value: &Value) -> Vec<u8> {
    Base64::decode_vec(value.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn payloads() {
    for vector in vectors::payloads() {
        let (server, clock) = server(memory());
        clock.set(UnixTime::from_seconds(vector.now));
        let mut client = Client::initialized(&server).await;
        let binding = &vector.binding;
        let key_id = client.create(&binding.account_user_id, &binding.client_id).await;
        let params = json!({"keyId": key_id, "payload": vector.payload});
        let answer = client.call("device/key/sign", params).await;
        match vector.expect {
            Expectation::Signed(signed) => {
                let result = &answer["result"];
                assert_eq!(
                    result["signedPayloadBase64"], signed.signed_base64,
                    "{}",
                    vector.comment
                );
                assert_eq!(result["algorithm"], "ecdsa_p256_sha256");
                let public = client.call("device/key/public", json!({"keyId": key_id})).await;
                let spki = decoded(&public["result"]["publicKeySpkiDerBase64"]);
                let signature = Signature::from_der(&decoded(&result["signatureDerBase64"]));
                PublicKey::from_spki_der(&spki)
                    .unwrap()
                    .verify(signed.signed_utf8.as_bytes(), &signature.unwrap())
                    .unwrap();
            }
            Expectation::Refused(refused) => {
                assert_eq!(reason(&answer), refused.error, "{}", vector.comment);
                let field = refused.field.map(|field| format!("payload.{field}"));
                assert_eq!(answer["error"]["data"]["field"].as_str(), field.as_deref());
                let code = if refused.error == "invalid_params" { -32602 } else { -32600 };
                assert_eq!(answer["error"]["code"], code, "{}", vector.comment);
            }
        }
    }
}

#[tokio::test]
async fn key_ids() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    for vector in vectors::key_ids() {
        for (method, params) in [
            ("device/key/public", json!({"keyId": vector.key_id})),
            ("device/key/sign", sign_params(&vector.key_id)),
        ] {
            let answer = client.call(method, params).await;
            if vector.valid {
                assert_eq!(reason(&answer), "key_not_found");
            } else {
                assert_eq!(reason(&answer), vector.reason.as_deref().unwrap());
                assert_eq!(answer["error"]["data"]["field"], "keyId");
            }
        }
    }
}

#[tokio::test]
async fn origins() {
    for vector in vectors::origins() {
        let (server, _) = server(memory());
        let mut client = Client::initialized(&server).await;
        let key_id = client.create("account-user-1", "cli_123").await;
        let mut params = sign_params(&key_id);
        params["payload"]["targetOrigin"] = json!(vector.origin);
        let answer = client.call("device/key/sign", params).await;
        if vector.allowed {
            assert!(answer["result"].is_object(), "{}: {answer}", vector.origin);
        } else {
            assert_eq!(reason(&answer), vector.reason.as_deref().unwrap(), "{}", vector.origin);
            assert_eq!(answer["error"]["data"]["field"], "payload.targetOrigin");
        }
    }
}

#[tokio::test]
async fn bindings() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    for vector in vectors::bindings() {
        let params = json!({"accountUserId": vector.account_user_id, "clientId": vector.client_id});
        let answer = client.call("device/key/create", params).await;
        if vector.valid {
            assert_eq!(answer["result"]["protectionClass"], "hardware_tpm", "{answer}");
        } else {
            assert_eq!(reason(&answer), vector.reason.as_deref().unwrap(), "{}", vector.comment);
            assert_eq!(answer["error"]["data"]["field"], vector.field.as_deref().unwrap());
        }
    }
}

/// The first vector's payload: valid, at its time.
fn sign_params(key_id: &str) -> Value {
    let vector = vectors::payloads().into_iter().next().unwrap();
    let mut payload = vector.payload;
    let expires_at = device_key_testing::samples::NOW.as_seconds() + 60;
    payload["tokenExpiresAt"] = json!(expires_at);
    json!({"keyId": key_id, "payload": payload})
}

#[tokio::test]
async fn checks_follow_their_order_across_shape_key_id_and_payload() {
    let (server, _) = server(memory());
    let mut client = Client::initialized(&server).await;
    let unknown = "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut both = sign_params("dk_short");
    both["payload"]["extra"] = json!(1);
    let mut bad_field = sign_params("dk_short");
    bad_field["payload"]["nonce"] = json!("x");
    let mut unknown_and_bad = sign_params(unknown);
    unknown_and_bad["payload"]["scopes"] = json!([]);
    for (params, expected) in [
        (both, Reason::InvalidParams),
        (bad_field, Reason::InvalidKeyId),
        (unknown_and_bad, Reason::ScopesMismatch),
        (sign_params(unknown), Reason::KeyNotFound),
    ] {
        let answer = client.call("device/key/sign", params).await;
        assert_eq!(reason(&answer), expected.as_str());
        assert_eq!(answer["error"]["code"], error_code(expected));
    }
}
