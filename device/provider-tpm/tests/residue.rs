//! Tests that the provider leaves no objects or sessions in the TPM.

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_provider_tpm::Parent;
use device_key_testing::Swtpm;

use crate::common::{Keystore, assert_nothing_left, kind, put_storage_key};

#[test]
fn an_idle_provider_leaves_nothing() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    for _ in 0..3 {
        keystore.assert_signs(&key);
        // The TPM serves this client although the provider still exists.
        assert_nothing_left(&swtpm);
    }
    keystore.provider.delete(&key.id).unwrap();
    assert_nothing_left(&swtpm);
}

#[test]
fn a_dropped_provider_leaves_nothing() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    keystore.assert_signs(&keystore.create(1));
    drop(keystore);
    assert_nothing_left(&swtpm);
}

#[test]
fn a_provider_with_a_transient_parent_leaves_nothing() {
    let swtpm = Swtpm::start();
    put_storage_key(&swtpm, "rsa2048");
    let keystore = Keystore::at(&swtpm.address());
    assert!(!keystore.provider.facts().unwrap().has_persistent_parent);
    // Two keys are created, so that the second key is created while the first key is loaded.
    let (first, second) = (keystore.create(1), keystore.create(2));
    for key in [&first, &second, &first] {
        keystore.assert_signs(key);
        assert_eq!(keystore.read(key).parent, Parent::OwnerHierarchy);
    }
    assert_nothing_left(&swtpm);
    keystore.assert_signs(&second);
    drop(keystore);
    assert_nothing_left(&swtpm);
}

#[test]
fn refused_operations_leave_nothing() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    std::fs::copy(keystore.file(&other), keystore.file(&key)).unwrap();
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::KeyLost));
    assert_eq!(kind(keystore.provider.create(&other.id)), ProviderErrorKind::Failed);
    keystore.assert_signs(&other);
    assert_nothing_left(&swtpm);
}
