//! Keys as a client knows them. Signatures are verified by code that the program does not share.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding as _};
use device_key_testing::Swtpm;
use device_key_types::Sha256Digest;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde_json::{Value, json};

/// A nonce of 36 bytes.
pub(crate) const NONCE: &str = "bm9uY2Utbm9uY2Utbm9uY2Utbm9uY2Utbm9uY2Utbm9uY2Ut";
pub(crate) const DIGEST: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    account: String,
    client: String,
    spki: Vec<u8>,
    public: VerifyingKey,
}

/// The configuration that lets the backend of [`Key::challenge`] ask for attestations.
pub(crate) const ATTESTED: &str = "[attestation]\norigins = [\"https://chatgpt.com\"]\n";

impl Key {
    /// The key in the answer to `device/key/create`. It must be in hardware.
    pub(crate) fn new(account: &str, client: &str, answer: &Value) -> Self {
        assert_eq!(answer["result"]["protectionClass"], "hardware_tpm", "{answer}");
        Self::of_any_class(account, client, answer)
    }

    /// Like [`Key::new`], for a key that need not be in hardware.
    pub(crate) fn of_any_class(account: &str, client: &str, answer: &Value) -> Self {
        let result = &answer["result"];
        assert_eq!(result["algorithm"], "ecdsa_p256_sha256", "{answer}");
        let spki = decoded(&result["publicKeySpkiDerBase64"]);
        Self {
            id: result["keyId"].as_str().unwrap().to_owned(),
            account: account.to_owned(),
            client: client.to_owned(),
            public: VerifyingKey::from_public_key_der(&spki).unwrap(),
            spki,
        }
    }

    /// The key's `SubjectPublicKeyInfo` in DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// A connection statement that is valid for a minute from now.
    pub(crate) fn payload(&self) -> Value {
        json!({
            "type": "remoteControlClientConnection",
            "nonce": NONCE,
            "audience": "remote_control_client_websocket",
            "sessionId": "session",
            "targetOrigin": "https://chatgpt.com",
            "targetPath": "/wham/remote/control/client",
            "accountUserId": self.account,
            "clientId": self.client,
            "tokenSha256Base64url": DIGEST,
            "tokenExpiresAt": unix_seconds() + 60,
            "scopes": ["remote_control_controller_websocket"],
        })
    }

    pub(crate) fn sign_params(&self) -> Value {
        json!({"keyId": self.id, "payload": self.payload()})
    }

    /// An attestation challenge that is valid for a minute from now.
    pub(crate) fn challenge(&self) -> Value {
        json!({
            "type": "remoteControlClientAttestation",
            "audience": "remote_control_client_attestation",
            "nonce": NONCE,
            "challengeId": "challenge",
            "targetOrigin": "https://chatgpt.com",
            "targetPath": "/wham/remote/control/client/enroll/attestation",
            "accountUserId": self.account,
            "clientId": self.client,
            "challengeExpiresAt": unix_seconds() + 60,
        })
    }

    pub(crate) fn identity_params(&self) -> Value {
        json!({"keyId": self.id, "challenge": self.challenge()})
    }

    /// Params with a credential that tpm2-tools make from the answer to
    /// `device/key/attestation/identity`.
    pub(crate) fn activate_params(&self, swtpm: &Swtpm, identity: &Value, secret: &[u8]) -> Value {
        let identity = &identity["result"];
        let attestation_key = decoded(&identity["attestationKeyPublicBase64"]);
        // A Name is its algorithm, SHA-256, and the digest of the public area.
        let digest = Sha256Digest::of(&attestation_key);
        let name = [&[0x00, 0x0b], &digest.as_bytes()[..]].concat();
        let endorsement_key = decoded(&identity["endorsementKeyPublicBase64"]);
        let (blob, encrypted_secret) = swtpm.make_credential(&endorsement_key, &name, secret);
        let mut params = self.identity_params();
        params["credentialBlob"] = json!(Base64::encode_string(&blob));
        params["encryptedSecret"] = json!(Base64::encode_string(&encrypted_secret));
        params
    }

    /// Verifies an answer to `device/key/sign` with the `p256` crate. Returns the signed bytes.
    pub(crate) fn verify(&self, answer: &Value) -> Vec<u8> {
        let result = &answer["result"];
        assert_eq!(result["algorithm"], "ecdsa_p256_sha256", "{answer}");
        let message = decoded(&result["signedPayloadBase64"]);
        let signature = DerSignature::from_bytes(&decoded(&result["signatureDerBase64"])).unwrap();
        self.public.verify(&message, &signature).unwrap();
        message
    }

    /// Whether `openssl dgst -sha256 -verify` accepts the answer's signature over these bytes.
    pub(crate) fn openssl_verifies(&self, answer: &Value, message: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let signature = decoded(&answer["result"]["signatureDerBase64"]);
        let verification = Command::new("openssl")
            .args(["dgst", "-sha256", "-keyform", "DER", "-verify"])
            .arg(file("key", &self.spki))
            .arg("-signature")
            .arg(file("signature", &signature))
            .arg(file("message", message))
            .output()
            .expect("openssl is installed");
        verification.status.success()
    }
}

pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The bytes in a base64 string.
pub(crate) fn decoded(value: &Value) -> Vec<u8> {
    Base64::decode_vec(value.as_str().unwrap_or_else(|| panic!("no base64: {value}"))).unwrap()
}
