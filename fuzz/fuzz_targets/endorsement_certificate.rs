//! Fuzzes the verification of an endorsement certificate. The input is used as a certificate, and
//! also as the fields of a certificate that a trusted root signed, because hardly any field is read
//! before the signature is verified.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use device_key_types::{
    DeviceKeyId, ProtectionClass, PublicKey, UnixTime,
    attestation::{Challenge, Claim, EndorsementKeyKind, Identity, TpmBytes},
    payload::Target,
};
use device_key_verifier::attestation::{AttestationError, RootKind, TrustRoots, verify_identity};
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// The key of the certificates in `seeds`: template L-2 with the base point of P-256 (SP 800-186,
/// 3.2.1.3).
const ENDORSEMENT_KEY: &[u8] = include_bytes!("../seeds/endorsement_key/ecc_p256");

/// `ecdsa-with-SHA256` (RFC 5758, 3.2) as an `AlgorithmIdentifier`.
const ECDSA_WITH_SHA256: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// The name "Root".
const ROOT_NAME: [u8; 17] = *b"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04Root";

struct Backend {
    root: EcdsaKeyPair,
    roots: TrustRoots,
    claim: Claim,
    identity: Identity,
}

static BACKEND: LazyLock<Backend> = LazyLock::new(|| {
    let root = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki = root.public_key().as_der().unwrap();
    let validity = tlv(0x30, &[tlv(0x17, b"230101000000Z"), tlv(0x17, b"330101000000Z")].concat());
    let fields = [
        b"\xa0\x03\x02\x01\x02\x02\x01\x01",
        &ECDSA_WITH_SHA256[..],
        &ROOT_NAME,
        &validity,
        &ROOT_NAME,
        spki.as_ref(),
    ];
    let certificate = certificate(&root, &tlv(0x30, &fields.concat()));
    let none = bytes(&[]).unwrap();
    Backend {
        roots: TrustRoots::new([(certificate.as_slice(), RootKind::Simulated)]).unwrap(),
        claim: Claim {
            challenge: Challenge {
                nonce: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
                challenge_id: "rch_123".parse().unwrap(),
                target: Target {
                    origin: "https://chatgpt.com".parse().unwrap(),
                    path: "/wham/remote/control/client/enroll/attestation".parse().unwrap(),
                },
                account_user_id: "account-user-1".parse().unwrap(),
                client_id: "cli_123".parse().unwrap(),
                challenge_expires_at: NOW.saturating_add(60),
            },
            key_id: DeviceKeyId::from_random_bytes([0; 32]),
            public_key: PublicKey::from_spki_der(spki.as_ref()).unwrap(),
            protection_class: ProtectionClass::HardwareTpm,
        },
        identity: Identity {
            endorsement_key: EndorsementKeyKind::EccP256,
            endorsement_key_public: bytes(ENDORSEMENT_KEY).unwrap(),
            endorsement_key_certificates: Vec::new(),
            attestation_key_public: none.clone(),
            attestation_key_creation_data: none.clone(),
            attestation_key_creation_attest: none.clone(),
            attestation_key_creation_signature: none.clone(),
            key_public: none,
        },
        root,
    }
});

fuzz_target!(|input: &[u8]| {
    let Backend { root, roots, claim, identity } = &*BACKEND;
    let verify = |certificate: &[u8]| {
        let certificate = bytes(certificate)?;
        let identity =
            Identity { endorsement_key_certificates: vec![certificate], ..identity.clone() };
        Some(verify_identity(&identity, claim.clone(), roots, NOW).unwrap_err())
    };
    let error = verify(input);
    assert!(matches!(error, None | Some(AttestationError::Certificate(_))), "{error:?}");
    // A good certificate leads to the next check, which fails because the attestation key is
    // missing.
    let error = verify(&certificate(root, input));
    assert!(
        matches!(
            error,
            None | Some(
                AttestationError::Certificate(_) | AttestationError::AttestationKeyMalformed
            )
        ),
        "{error:?}"
    );
});

/// `None` if there are too many bytes.
fn bytes(bytes: &[u8]) -> Option<TpmBytes> {
    bytes.to_vec().try_into().ok()
}

/// A certificate with these fields.
fn certificate(issuer: &EcdsaKeyPair, fields: &[u8]) -> Vec<u8> {
    let signature = issuer.sign(&SystemRandom::new(), fields).unwrap();
    let signature = tlv(0x03, &[&[0], signature.as_ref()].concat());
    tlv(0x30, &[fields, &ECDSA_WITH_SHA256, &signature].concat())
}

/// Encodes a DER value, whose length takes at most four bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let length = match content.len() {
        0..=0x7f => vec![length[3]],
        0x80..=0xff => vec![0x81, length[3]],
        0x100..=0xffff => vec![0x82, length[2], length[3]],
        _ => [&[0x84], &length[..]].concat(),
    };
    [&[tag], &length[..], content].concat()
}
