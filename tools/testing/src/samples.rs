//! Values that a default policy accepts at [`NOW`].

use device_key::{
    DeviceKeyBinding, KeyReference, LocalPeer, OwnerUid, RemoteControlPolicy, SigningInput,
    Transport, authorize,
};
use device_key_types::attestation::Challenge;
use device_key_types::payload::{Connection, Enrollment, Target};
use device_key_types::{Binding, Nonce, ProtectionClass, Sha256Digest, SignPayload, UnixTime};

/// The time at which the samples are valid.
pub const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// How long the statements below live, in seconds.
pub const LIFETIME_SECONDS: i64 = 60;

/// The account and client that the statements below speak for.
pub fn binding() -> Binding {
    Binding {
        account_user_id: "account-user-1".parse().unwrap(),
        client_id: "cli_123".parse().unwrap(),
    }
}

/// A local process of this user.
pub const fn peer(uid: u32) -> LocalPeer {
    LocalPeer::from_transport(OwnerUid::new(uid), Transport::InProcess)
}

/// A connection statement that is good at [`NOW`].
pub fn connection() -> Connection {
    let Binding { account_user_id, client_id } = binding();
    Connection {
        nonce: nonce(),
        session_id: "wssess_123".parse().unwrap(),
        target: target("https://chatgpt.com", "/api/codex/remote/control/client"),
        account_user_id,
        client_id,
        token_sha256: Sha256Digest::of(b"token"),
        token_expires_at: NOW.saturating_add(LIFETIME_SECONDS),
    }
}

/// An enrollment statement that is good at [`NOW`].
pub fn enrollment() -> Enrollment {
    let Binding { account_user_id, client_id } = binding();
    Enrollment {
        nonce: nonce(),
        challenge_id: "rch_123".parse().unwrap(),
        target: target("https://chatgpt.com", "/wham/remote/control/client/enroll"),
        account_user_id,
        client_id,
        device_identity_sha256: Sha256Digest::of(b"device"),
        challenge_expires_at: NOW.saturating_add(LIFETIME_SECONDS),
    }
}

/// An attestation challenge that is good at [`NOW`], of the same enrollment.
pub fn attestation_challenge() -> Challenge {
    let Enrollment {
        nonce, challenge_id, account_user_id, client_id, challenge_expires_at, ..
    } = enrollment();
    let path = "/wham/remote/control/client/enroll/attestation";
    let target = target("https://chatgpt.com", path);
    Challenge { nonce, challenge_id, target, account_user_id, client_id, challenge_expires_at }
}

/// The connection, which expires `seconds` seconds after [`NOW`].
pub fn connection_expiring_in(seconds: i64) -> SignPayload {
    SignPayload::Connection(Connection {
        token_expires_at: NOW.saturating_add(seconds),
        ..connection()
    })
}

/// The enrollment, which expires `seconds` seconds after [`NOW`].
pub fn enrollment_expiring_in(seconds: i64) -> SignPayload {
    SignPayload::Enrollment(Enrollment {
        challenge_expires_at: NOW.saturating_add(seconds),
        ..enrollment()
    })
}

/// The default policy, in which the backend of [`attestation_challenge`] and a backend on this
/// machine may ask for attestations.
pub fn policy() -> RemoteControlPolicy {
    let origins = ["https://chatgpt.com", "http://127.0.0.1:7777"];
    RemoteControlPolicy::default()
        .with_attestation_for(origins.map(|origin| origin.parse().unwrap()))
}

/// An endpoint.
pub fn target(origin: &str, path: &str) -> Target {
    Target { origin: origin.parse().unwrap(), path: path.parse().unwrap() }
}

fn nonce() -> Nonce {
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
}

/// A connection statement that this key may sign, for tests that ask a provider directly.
pub fn signing_input(key: &KeyReference) -> SigningInput {
    let binding = DeviceKeyBinding {
        key_id: key.key_id,
        owner: OwnerUid::new(1000),
        binding: binding(),
        provider: "provider".into(),
        protection_class: ProtectionClass::HardwareTpm,
        tpm_kind: None,
        public_key: key.public_key.clone(),
        storage_parent: key.storage_parent.clone(),
        created_at: NOW,
        updated_at: NOW,
    };
    let statement = connection_expiring_in(LIFETIME_SECONDS);
    authorize(&RemoteControlPolicy::default(), NOW, &binding, &statement).unwrap()
}
