//! Fuzzes the verification of a proof: a client can send any signed bytes and any signature.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use device_key_types::{
    SignPayload, UnixTime,
    payload::{Connection, Enrollment, Target},
};
use device_key_verifier::{Proof, ProofError, ProofKey, verify_connection, verify_enrollment};
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

struct Backend {
    device: EcdsaKeyPair,
    key: ProofKey,
    connection: Connection,
    enrollment: Enrollment,
}

static BACKEND: LazyLock<Backend> = LazyLock::new(|| {
    let device = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki = device.public_key().as_der().unwrap();
    let nonce = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    let target = |path: &str| Target {
        origin: "https://chatgpt.com".parse().unwrap(),
        path: path.parse().unwrap(),
    };
    Backend {
        key: ProofKey::from_spki_der(spki.as_ref()).unwrap(),
        device,
        connection: Connection {
            nonce: nonce.parse().unwrap(),
            session_id: "wssess_123".parse().unwrap(),
            target: target("/api/codex/remote/control/client"),
            account_user_id: "account-user-1".parse().unwrap(),
            client_id: "cli_123".parse().unwrap(),
            token_sha256: digest.parse().unwrap(),
            token_expires_at: NOW.saturating_add(60),
        },
        enrollment: Enrollment {
            nonce: nonce.parse().unwrap(),
            challenge_id: "rch_123".parse().unwrap(),
            target: target("/wham/remote/control/client/enroll"),
            account_user_id: "account-user-1".parse().unwrap(),
            client_id: "cli_123".parse().unwrap(),
            device_identity_sha256: digest.parse().unwrap(),
            challenge_expires_at: NOW.saturating_add(60),
        },
    }
});

fuzz_target!(|bytes: &[u8]| {
    let Backend { device, key, connection, enrollment } = &*BACKEND;
    let good = SignPayload::Connection(connection.clone()).signed_bytes().unwrap();
    // Use the input as the signature of a good statement.
    let proof = Proof { signed_bytes: &good, signature_der: bytes, public_key: key };
    assert_eq!(verify_connection(&proof, connection, NOW), Err(ProofError::InvalidSignature));
    // Use the input as a statement with a good signature. Only the bytes of the challenge's
    // statement are accepted.
    let signature = device.sign(&SystemRandom::new(), bytes).unwrap();
    let proof = Proof { signed_bytes: bytes, signature_der: signature.as_ref(), public_key: key };
    assert_eq!(verify_connection(&proof, connection, NOW).is_ok(), bytes == good);
    let good = SignPayload::Enrollment(enrollment.clone()).signed_bytes().unwrap();
    assert_eq!(verify_enrollment(&proof, enrollment, NOW).is_ok(), bytes == good);
});
