//! A proof, what a backend expects of it, and the outcome that it must have.

use base64ct::{Base64, Encoding as _};
use device_key_types::payload::SIGNING_DOMAIN;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Map, Value, json};

use crate::proof::{DIGEST, NONCE};

pub(crate) const NOW: i64 = 1_700_000_000;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The kind of statement that the backend expects: `connection` or `enrollment`.
    pub(crate) statement: &'static str,
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) expected: Value,
    pub(crate) now: i64,
    /// `ok`, or the refusal as `code[:field]`.
    pub(crate) outcome: String,
}

impl Case {
    /// The case as a line of JSON, which the examples read.
    pub(crate) fn line(&self) -> String {
        let case = json!({
            "statement": self.statement,
            "signedPayloadBase64": Base64::encode_string(&self.signed),
            "signatureDerBase64": Base64::encode_string(&self.signature),
            "publicKeySpkiDerBase64": Base64::encode_string(&self.spki),
            "expected": self.expected,
            "now": self.now,
        });
        format!("{case}\n")
    }

    /// A copy of this case with a change and another outcome.
    pub(crate) fn but(&self, name: &str, outcome: &str, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        name.clone_into(&mut other.name);
        outcome.clone_into(&mut other.outcome);
        change(&mut other);
        other
    }
}

/// A key in software, to sign statements that no device would sign.
pub(crate) struct SoftwareKey(SigningKey);

impl SoftwareKey {
    pub(crate) fn new() -> Self {
        Self(SigningKey::from_slice(&[7; 32]).unwrap())
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.0.verifying_key().to_public_key_der().unwrap().into_vec()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }

    /// A valid connection proof by this key.
    pub(crate) fn connection(&self) -> Case {
        let payload = json!({
            "type": "remoteControlClientConnection",
            "nonce": NONCE,
            "audience": "remote_control_client_websocket",
            "sessionId": "session",
            "targetOrigin": "https://chatgpt.com",
            "targetPath": "/wham/remote/control/client",
            "accountUserId": "account",
            "clientId": "client",
            "tokenSha256Base64url": DIGEST,
            "tokenExpiresAt": NOW + 60,
            "scopes": ["remote_control_controller_websocket"],
        });
        self.connection_of(payload, NOW)
    }

    /// A connection proof by this key with this payload.
    pub(crate) fn connection_of(&self, payload: Value, now: i64) -> Case {
        let mut expected = payload;
        let signed = json!({"domain": SIGNING_DOMAIN, "payload": expected}).to_string();
        remove(&mut expected, &["type", "audience", "scopes"]);
        Case {
            name: "right".to_owned(),
            statement: "connection",
            signature: self.sign(signed.as_bytes()),
            signed: signed.into_bytes(),
            spki: self.spki(),
            expected,
            now,
            outcome: "ok".to_owned(),
        }
    }
}

/// Removes members, which must exist.
pub(crate) fn remove(object: &mut Value, names: &[&str]) {
    let members: &mut Map<_, _> = object.as_object_mut().unwrap();
    for name in names {
        members.remove(*name).unwrap();
    }
}
