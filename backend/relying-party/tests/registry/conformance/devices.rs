//! The contract of a store for devices.

use std::collections::HashSet;

use device_key_relying_party::{Device, DeviceKind, RegistryError};
use device_key_types::ProtectionClass;
use tokio::task::JoinSet;

use super::Place;
use crate::samples::{MANY, NOW, account, connection, device, enrollment, key_id, public_key};

fn reason<T>(outcome: Result<T, RegistryError>) -> &'static str {
    outcome.err().map_or("none", |error| error.reason())
}

pub(crate) async fn a_device_comes_back_as_it_was(place: &impl Place) {
    let registry = place.open().await;
    let classes = [
        (ProtectionClass::HardwareTpm, DeviceKind::HardwareTpm),
        (ProtectionClass::HardwareTpm, DeviceKind::VirtualTpm),
        (ProtectionClass::HardwareSecureEnclave, DeviceKind::SimulatedTpm),
        (ProtectionClass::OsProtectedNonextractable, DeviceKind::Unattested),
    ];
    for (n, (protection_class, verified_kind)) in (1..).zip(classes) {
        let enrolled = Device { protection_class, verified_kind, ..device(n, "a") };
        assert_eq!(registry.device(&enrolled.key_id).await.unwrap(), None);
        registry.enroll_device(&enrolled, MANY).await.unwrap();
        let seen = place.open().await.device(&enrolled.key_id).await.unwrap();
        assert_eq!(seen, Some(enrolled));
    }
}

pub(crate) async fn a_key_is_enrolled_once_by_its_id_and_by_its_public_key(place: &impl Place) {
    let registry = place.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    for again in [
        device(1, "a"),
        device(1, "b"),
        Device { key_id: key_id(2), ..device(1, "b") },
        Device { public_key: public_key(2), ..device(1, "b") },
    ] {
        assert_eq!(reason(registry.enroll_device(&again, MANY).await), "already_enrolled");
    }
    assert_eq!(registry.device(&key_id(1)).await.unwrap(), Some(device(1, "a")));
    assert_eq!(registry.device(&key_id(2)).await.unwrap(), None);
}

pub(crate) async fn of_many_concurrent_callers_one_enrolls_a_key(place: &impl Place) {
    let registries = [place.open().await, place.open().await];
    let mut enrolling = JoinSet::new();
    for n in 0..40_usize {
        let registry = registries[n % 2].clone();
        // Several accounts take part, so that the lock of an account does not serialise the calls.
        let enrolled = device(1, &format!("account {}", n % 8));
        enrolling.spawn(async move { reason(registry.enroll_device(&enrolled, MANY).await) });
    }
    let mut outcomes = enrolling.join_all().await;
    outcomes.sort_unstable();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "none").count(), 1);
    outcomes.dedup();
    assert_eq!(outcomes, ["already_enrolled", "none"]);
}

pub(crate) async fn a_revoked_key_stays_revoked(place: &impl Place) {
    let registry = place.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    let then = NOW.saturating_add(9);
    assert!(registry.revoke(&account("a"), &key_id(1), then).await.unwrap());
    let later = then.saturating_add(1);
    assert!(!registry.revoke(&account("a"), &key_id(1), later).await.unwrap());

    let registry = place.open().await;
    let revoked = Device { revoked_at: Some(then), ..device(1, "a") };
    assert_eq!(registry.device(&key_id(1)).await.unwrap(), Some(revoked));
    assert_eq!(registry.list_devices(&account("a")).await.unwrap(), []);
    for again in [
        device(1, "a"),
        device(1, "b"),
        Device { key_id: key_id(2), ..device(1, "a") },
        Device { public_key: public_key(2), ..device(1, "a") },
    ] {
        assert_eq!(reason(registry.enroll_device(&again, MANY).await), "device_revoked");
    }
}

pub(crate) async fn only_its_own_account_can_revoke_a_device(place: &impl Place) {
    let registry = place.open().await;
    registry.enroll_device(&device(1, "a"), MANY).await.unwrap();
    registry.put_connection_challenge(&connection(1, "a"), MANY, NOW).await.unwrap();
    assert!(!registry.revoke(&account("b"), &key_id(1), NOW).await.unwrap());
    assert!(!registry.revoke(&account("a"), &key_id(2), NOW).await.unwrap());
    assert_eq!(registry.list_devices(&account("a")).await.unwrap(), [device(1, "a")]);
    let token = connection(1, "a").token_sha256;
    assert!(registry.take_connection_challenge(&token, NOW).await.unwrap().is_some());
}

pub(crate) async fn revoking_deletes_unused_tokens(place: &impl Place) {
    let registry = place.open().await;
    for n in [1, 2] {
        registry.enroll_device(&device(n, "a"), MANY).await.unwrap();
        registry.put_connection_challenge(&connection(n, "a"), MANY, NOW).await.unwrap();
    }
    assert!(registry.revoke(&account("a"), &key_id(1), NOW).await.unwrap());
    let [gone, kept] = [1, 2].map(|n| connection(n, "a").token_sha256);
    assert_eq!(registry.take_connection_challenge(&gone, NOW).await.unwrap(), None);
    assert!(registry.take_connection_challenge(&kept, NOW).await.unwrap().is_some());
}

pub(crate) async fn devices_are_bounded_for_each_account(place: &impl Place) {
    let registry = place.open().await;
    for n in [1, 2] {
        registry.enroll_device(&device(n, "a"), 2).await.unwrap();
    }
    assert_eq!(reason(registry.enroll_device(&device(3, "a"), 2).await), "quota_exceeded");
    // A fault of the key is reported before the quota.
    assert_eq!(reason(registry.enroll_device(&device(1, "a"), 2).await), "already_enrolled");
    registry.enroll_device(&device(4, "b"), 2).await.unwrap();
    registry.revoke(&account("a"), &key_id(1), NOW).await.unwrap();
    registry.enroll_device(&device(3, "a"), 2).await.unwrap();
}

pub(crate) async fn a_list_has_the_devices_of_one_account_in_order(place: &impl Place) {
    let registry = place.open().await;
    for (n, of) in [(3, "a"), (1, "a"), (2, "b"), (4, "a")] {
        registry.enroll_device(&device(n, of), MANY).await.unwrap();
    }
    registry.revoke(&account("a"), &key_id(4), NOW).await.unwrap();
    let listed = registry.list_devices(&account("a")).await.unwrap();
    assert_eq!(listed, [device(1, "a"), device(3, "a")]);
    assert_eq!(registry.list_devices(&account("nobody")).await.unwrap(), []);
}

pub(crate) async fn still_enrolled_returns_only_enrolled_devices(place: &impl Place) {
    let registry = place.open().await;
    for n in 1..=4 {
        registry.enroll_device(&device(n, &format!("account {n}")), MANY).await.unwrap();
    }
    let other = place.open().await;
    assert!(other.revoke(&account("account 2"), &key_id(2), NOW).await.unwrap());
    let asked = [1, 2, 3, 9].map(key_id);
    let expected = HashSet::from([1, 3].map(key_id));
    assert_eq!(registry.still_enrolled(&asked).await.unwrap(), expected);
    assert_eq!(registry.still_enrolled(&[]).await.unwrap(), HashSet::new());
}

/// Stores the longest texts, and texts that a wrong quote or escape would damage.
pub(crate) async fn every_text_of_the_types_can_be_stored(place: &impl Place) {
    let registry = place.open().await;
    for (n, text) in (1..).zip(["x".repeat(512), "🔑".repeat(128), "'\"\\%_$1 ?1".to_owned()]) {
        let enrolled = Device { client_id: text.parse().unwrap(), ..device(n, &text) };
        registry.enroll_device(&enrolled, MANY).await.unwrap();
        assert_eq!(registry.list_devices(&account(&text)).await.unwrap(), [enrolled]);
        let mut asked = enrollment(&text, &text);
        asked.client_id = text.parse().unwrap();
        registry.put_enrollment_challenge(&asked, MANY, NOW).await.unwrap();
        let taken =
            registry.take_enrollment_challenge(&asked.challenge_id, &account(&text), NOW).await;
        assert_eq!(taken.unwrap().unwrap().challenge, asked);
        let mut token = connection(n, &text);
        token.session_id = text.parse().unwrap();
        registry.put_connection_challenge(&token, MANY, NOW).await.unwrap();
        let taken = registry.take_connection_challenge(&token.token_sha256, NOW).await;
        assert_eq!(taken.unwrap(), Some(token));
    }
}
