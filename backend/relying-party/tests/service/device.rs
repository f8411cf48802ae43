//! A device for the tests: a client with a key in software.

use base64ct::{Base64, Encoding as _};
use device_key_types::payload::{Connection, Enrollment, Target, device_identity_digest};
use device_key_types::{
    DeviceKeyId, ProtectionClass, PublicKey, Sha256Digest, SignPayload, UnixTime,
};
use hyper::http::request::Builder;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Socket};

/// A client with a key, which signs any bytes.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) account: &'static str,
    pub(crate) key_id: DeviceKeyId,
    pub(crate) class: ProtectionClass,
    pub(crate) key: SigningKey,
}

impl Device {
    pub(crate) fn new(n: u8, account: &'static str) -> Self {
        Self {
            account,
            key_id: DeviceKeyId::from_random_bytes([n; 32]),
            class: ProtectionClass::HardwareTpm,
            key: SigningKey::from_slice(&[n; 32]).unwrap(),
        }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let der = self.key.verifying_key().to_public_key_der().unwrap();
        PublicKey::from_spki_der(der.as_bytes()).unwrap()
    }

    pub(crate) fn spki(&self) -> String {
        Base64::encode_string(self.public_key().spki_der())
    }

    /// Base64 of the signed bytes and of the signature.
    pub(crate) fn signed(&self, bytes: &[u8]) -> [String; 2] {
        let signature: Signature = self.key.sign(bytes);
        [bytes, signature.to_der().as_bytes()].map(Base64::encode_string)
    }

    /// The statement that a challenge asks for.
    pub(crate) fn enrollment(&self, challenge: &Value) -> Enrollment {
        let identity = device_identity_digest(&self.key_id, self.class, &self.public_key());
        Enrollment {
            nonce: parse(&challenge["nonce"]),
            challenge_id: parse(&challenge["challengeId"]),
            target: target(challenge),
            account_user_id: parse(&challenge["accountUserId"]),
            client_id: parse(&challenge["clientId"]),
            device_identity_sha256: identity.unwrap(),
            challenge_expires_at: seconds(&challenge["challengeExpiresAt"]),
        }
    }

    pub(crate) fn connection(challenge: &Value) -> Connection {
        Connection {
            nonce: parse(&challenge["nonce"]),
            session_id: parse(&challenge["sessionId"]),
            target: target(challenge),
            account_user_id: parse(&challenge["accountUserId"]),
            client_id: parse(&challenge["clientId"]),
            token_sha256: Sha256Digest::of(challenge["token"].as_str().unwrap().as_bytes()),
            token_expires_at: seconds(&challenge["tokenExpiresAt"]),
        }
    }

    /// The answer to an enrollment challenge with these signed bytes.
    pub(crate) fn answer(&self, challenge: &Value, bytes: &[u8]) -> Value {
        let [payload, signature] = self.signed(bytes);
        json!({
            "challengeId": challenge["challengeId"],
            "keyId": self.key_id.to_string(),
            "publicKeySpkiDerBase64": self.spki(),
            "protectionClass": self.class,
            "algorithm": "ecdsa_p256_sha256",
            "signedPayloadBase64": payload,
            "signatureDerBase64": signature,
        })
    }

    pub(crate) fn good_answer(&self, challenge: &Value) -> Value {
        self.answer(challenge, &bytes(self.enrollment(challenge)))
    }

    pub(crate) async fn enrollment_challenge(&self, client: Client) -> Value {
        let body = json!({"clientId": "client-1"});
        let (status, challenge) = client.post(self.account, "/enroll/challenge", &body).await;
        assert_eq!(status, 200, "{challenge}");
        challenge
    }

    pub(crate) async fn enroll(&self, client: Client) -> Answer {
        let challenge = self.enrollment_challenge(client).await;
        client.post(self.account, "/enroll", &self.good_answer(&challenge)).await
    }

    /// Enrolls the device and returns it.
    pub(crate) async fn enrolled(self, client: Client) -> Self {
        let (status, answer) = self.enroll(client).await;
        assert_eq!(status, 201, "{answer}");
        self
    }

    pub(crate) async fn ask_for_connection(&self, client: Client) -> Answer {
        let body = json!({"keyId": self.key_id.to_string()});
        client.post(self.account, "/challenge", &body).await
    }

    pub(crate) async fn connection_challenge(&self, client: Client) -> Value {
        let (status, challenge) = self.ask_for_connection(client).await;
        assert_eq!(status, 200, "{challenge}");
        challenge
    }

    /// The request that carries a token and these signed bytes.
    pub(crate) fn request(&self, client: Client, challenge: &Value, bytes: &[u8]) -> Builder {
        let [payload, signature] = self.signed(bytes);
        let token = challenge["token"].as_str().unwrap();
        client
            .upgrade()
            .header("authorization", format!("Bearer {token}"))
            .header("device-key-id", self.key_id.to_string())
            .header("device-key-signed-payload", payload)
            .header("device-key-signature", signature)
    }

    pub(crate) fn good_request(&self, client: Client, challenge: &Value) -> Builder {
        let connection = SignPayload::Connection(Self::connection(challenge));
        self.request(client, challenge, &connection.signed_bytes().unwrap())
    }

    pub(crate) async fn connect(&self, client: Client) -> Result<Socket, Answer> {
        let challenge = self.connection_challenge(client).await;
        client.open(self.good_request(client, &challenge)).await
    }

    pub(crate) async fn revoke(&self, client: Client) -> Answer {
        client.delete(self.account, &format!("/devices/{}", self.key_id)).await
    }
}

pub(crate) fn bytes(enrollment: Enrollment) -> Vec<u8> {
    SignPayload::Enrollment(enrollment).signed_bytes().unwrap()
}

fn target(challenge: &Value) -> Target {
    Target { origin: parse(&challenge["targetOrigin"]), path: parse(&challenge["targetPath"]) }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &Value) -> T {
    text.as_str().unwrap().parse().unwrap()
}

fn seconds(value: &Value) -> UnixTime {
    UnixTime::from_seconds(value.as_i64().unwrap())
}
