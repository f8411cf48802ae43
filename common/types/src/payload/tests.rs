//! Tests of drafts and signed bytes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{DeviceKeyId, ProtectionClass, PublicKey, Sha256Digest};

prop_compose! {
    fn text()(text in "[^\\p{Cc}]{1,100}") -> String { text }
}

prop_compose! {
    fn payload()(
        connection in any::<bool>(),
        nonce in prop::collection::vec(any::<u8>(), 32..=256),
        digest in any::<[u8; 32]>(),
        (id, account, client) in (text(), text(), text()),
        expires_at in 0_i64..(1 << 53),
    ) -> Value {
        use crate::encoding::to_base64url;
        if connection {
            json!({
                "type": "remoteControlClientConnection", "nonce": to_base64url(&nonce),
                "audience": "remote_control_client_websocket", "sessionId": id,
                "targetOrigin": "https://chatgpt.com",
                "targetPath": "/wham/remote/control/client", "accountUserId": account,
                "clientId": client, "tokenSha256Base64url": to_base64url(&digest),
                "tokenExpiresAt": expires_at, "scopes": ["remote_control_controller_websocket"],
            })
        } else {
            json!({
                "type": "remoteControlClientEnrollment", "nonce": to_base64url(&nonce),
                "audience": "remote_control_client_enrollment", "challengeId": id,
                "targetOrigin": "http://[::1]:8080",
                "targetPath": "/wham/remote/control/client/enroll", "accountUserId": account,
                "clientId": client, "deviceIdentitySha256Base64url": to_base64url(&digest),
                "challengeExpiresAt": expires_at,
            })
        }
    }
}

proptest! {
    #[test]
    fn signed_bytes_are_what_an_independent_canonicalizer_writes(payload in payload()) {
        let ours = Draft::from_json(&payload.to_string())
            .unwrap()
            .parse(&SyntaxOnly)
            .unwrap()
            .signed_bytes()
            .unwrap();
        let signed = json!({"domain": SIGNING_DOMAIN, "payload": payload});
        prop_assert_eq!(ours, serde_json_canonicalizer::to_vec(&signed).unwrap());
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Draft::from_json(&text);
        let _ = text.parse::<Origin>();
        let _ = text.parse::<TargetPath>();
        let _ = text.parse::<crate::Nonce>();
        let _ = text.parse::<DeviceKeyId>();
    }
}

#[test]
fn the_draft_must_be_an_object_of_one_of_two_shapes() {
    let connection = json!({"type": "remoteControlClientConnection"}).to_string();
    for json in ["[]", "null", "{}", "\"x\"", connection.as_str()] {
        assert!(Draft::from_json(json).is_err(), "{json}");
    }
}

#[test]
fn debug_shows_no_field_of_a_payload() {
    let payload = SignPayload::Connection(Connection {
        nonce: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        session_id: "secret-session".parse().unwrap(),
        target: Target {
            origin: "https://chatgpt.com".parse().unwrap(),
            path: "/wham/remote/control/client".parse().unwrap(),
        },
        account_user_id: "secret-account".parse().unwrap(),
        client_id: "secret-client".parse().unwrap(),
        token_sha256: Sha256Digest::of(b"token"),
        token_expires_at: UnixTime::from_seconds(0),
    });
    let shown = format!("{payload:?}");
    assert!(!shown.contains("secret") && !shown.contains("AAAA"), "{shown}");
}

#[test]
fn the_device_identity_digest_is_over_canonical_json() {
    // The base point of P-256 (SP 800-186 section 3.2.1.3) as a public key.
    let spki = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
    let der = <base64ct::Base64 as base64ct::Encoding>::decode_vec(spki).unwrap();
    let key_id = DeviceKeyId::from_random_bytes([0; 32]);
    let identity = json!({
        "algorithm": "ecdsa_p256_sha256",
        "keyId": key_id.to_string(),
        "protectionClass": "hardware_tpm",
        "publicKeySpkiDerBase64": spki,
    });
    assert_eq!(
        device_identity_digest(
            &key_id,
            ProtectionClass::HardwareTpm,
            &PublicKey::from_spki_der(&der).unwrap()
        )
        .unwrap(),
        Sha256Digest::of(&serde_json_canonicalizer::to_vec(&identity).unwrap())
    );
}
