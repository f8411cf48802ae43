//! Sample records for the tests of registries.

use device_key_relying_party::{
    BegunAttestation, ConnectionChallenge, Device, DeviceKind, EnrollmentChallenge,
};
use device_key_types::attestation::{EndorsementKeyKind, Identity, TpmBytes};
use device_key_types::{
    AccountUserId, DeviceKeyId, Nonce, ProtectionClass, PublicKey, Sha256Digest, UnixTime,
};
use p256::SecretKey;
use p256::pkcs8::EncodePublicKey as _;

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
pub(crate) const MANY: u32 = 1000;

pub(crate) fn account(name: &str) -> AccountUserId {
    name.parse().unwrap()
}

pub(crate) fn key_id(n: u8) -> DeviceKeyId {
    DeviceKeyId::from_random_bytes([n; 32])
}

pub(crate) fn public_key(n: u8) -> PublicKey {
    let key = SecretKey::from_slice(&[n; 32]).unwrap().public_key();
    PublicKey::from_spki_der(key.to_public_key_der().unwrap().as_bytes()).unwrap()
}

pub(crate) fn nonce() -> Nonce {
    "_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
}

pub(crate) fn enrollment(name: &str, of: &str) -> EnrollmentChallenge {
    EnrollmentChallenge {
        challenge_id: name.parse().unwrap(),
        nonce: nonce(),
        account_user_id: account(of),
        client_id: "cli \" ü".parse().unwrap(),
        expires_at: NOW.saturating_add(60),
    }
}

pub(crate) fn connection(n: u8, of: &str) -> ConnectionChallenge {
    ConnectionChallenge {
        token_sha256: Sha256Digest::of(&[n]),
        session_id: format!("session {n}").parse().unwrap(),
        nonce: nonce(),
        key_id: key_id(n),
        account_user_id: account(of),
        client_id: "cli".parse().unwrap(),
        expires_at: NOW.saturating_add(60),
    }
}

pub(crate) fn device(n: u8, of: &str) -> Device {
    Device {
        key_id: key_id(n),
        account_user_id: account(of),
        client_id: "cli".parse().unwrap(),
        public_key: public_key(n),
        protection_class: ProtectionClass::HardwareTpm,
        verified_kind: DeviceKind::SimulatedTpm,
        enrolled_at: NOW.saturating_add(i64::from(n)),
        revoked_at: None,
    }
}

pub(crate) fn attestation(n: u8) -> BegunAttestation {
    let bytes = || TpmBytes::try_from(vec![n; 4096]).unwrap();
    BegunAttestation {
        key_id: key_id(n),
        public_key: public_key(n),
        credential_secret_sha256: Sha256Digest::of(&[n]),
        identity: Identity {
            endorsement_key: EndorsementKeyKind::EccP384,
            endorsement_key_public: bytes(),
            endorsement_key_certificates: vec![bytes(), bytes()],
            attestation_key_public: bytes(),
            attestation_key_creation_data: bytes(),
            attestation_key_creation_attest: bytes(),
            attestation_key_creation_signature: bytes(),
            key_public: bytes(),
        },
    }
}
