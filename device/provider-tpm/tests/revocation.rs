//! Tests the removal of a key's two parts, its file and its secret, and keys with only one part.

use std::fs;

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_testing::{SequenceRandom, Swtpm};

use crate::common::{Key, Keystore, assert_nothing_left, kind, put};

fn both_exist(keystore: &Keystore, key: &Key) -> (bool, bool) {
    (keystore.file(key).exists(), keystore.secret_file(key).exists())
}

/// The revocation works at once, even if the key is loaded and its secret is in memory.
#[test]
fn removing_the_secret_revokes_the_key() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    keystore.assert_signs(&key);
    let aside = keystore.secret_file(&key).with_extension("aside");
    fs::rename(keystore.secret_file(&key), &aside).unwrap();
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::KeyLost));
    assert_eq!(keystore.provider.list().unwrap(), [key.id]);
    assert_nothing_left(&swtpm);
    fs::rename(&aside, keystore.secret_file(&key)).unwrap();
    keystore.assert_signs(&key);
}

#[test]
fn a_deletion_removes_both_parts() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    assert_eq!(both_exist(&keystore, &key), (true, true));
    keystore.provider.delete(&key.id).unwrap();
    assert_eq!(both_exist(&keystore, &key), (false, false));
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::KeyLost));
    keystore.provider.delete(&key.id).unwrap();
    keystore.assert_signs(&other);
    assert_nothing_left(&swtpm);
}

/// Makes the state that a process leaves if it is killed while it deletes the key.
#[test]
fn an_interrupted_deletion_revokes_the_key_and_can_be_finished() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    fs::remove_file(keystore.secret_file(&key)).unwrap();
    let next = keystore.reopened(None).with_secrets(None);
    assert_eq!(next.sign(&key), Err(ProviderErrorKind::KeyLost));
    assert_eq!(next.provider.list().unwrap(), [key.id]);
    next.provider.delete(&key.id).unwrap();
    assert_eq!(next.provider.list().unwrap(), []);
    assert_eq!(both_exist(&keystore, &key), (false, false));
}

/// The secret is removed first, so the key is revoked even if the deletion fails afterwards.
#[test]
fn a_deletion_that_fails_halfway_revokes_the_key() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    let pem = fs::read(keystore.file(&key)).unwrap();
    fs::remove_file(keystore.file(&key)).unwrap();
    fs::create_dir(keystore.file(&key)).unwrap();
    assert_eq!(kind(keystore.provider.delete(&key.id)), ProviderErrorKind::Failed);
    assert!(!keystore.secret_file(&key).exists());
    fs::remove_dir(keystore.file(&key)).unwrap();
    put(&keystore.file(&key), &pem);
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::KeyLost));
}

/// Makes the state that a process leaves if it is killed while it stores the key.
#[test]
fn an_interrupted_creation_is_listed_and_removed() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    let id = key.id;
    fs::remove_file(keystore.file(&key)).unwrap();
    let next = keystore.reopened(None).with_secrets(None);
    assert_eq!(next.provider.list().unwrap(), [id]);
    assert_eq!(next.sign(&key), Err(ProviderErrorKind::KeyLost));
    let secret = fs::read(keystore.secret_file(&key)).unwrap();
    // The key id cannot be used again while a part of the key exists.
    assert_eq!(kind(next.provider.create(&id)), ProviderErrorKind::Failed);
    assert_eq!(fs::read(keystore.secret_file(&key)).unwrap(), secret);
    assert_eq!(both_exist(&keystore, &key), (false, true));
    next.provider.delete(&id).unwrap();
    assert_eq!(next.provider.list().unwrap(), []);
    next.assert_signs(&next.create(1));
}

/// The process was killed even earlier, before the file of the secret got its final name.
#[test]
fn a_partly_written_secret_is_removed() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    let whole = keystore.secret_file(&key);
    let partial = whole.with_file_name(format!(".{}.secret.partial", key.id));
    fs::rename(&whole, &partial).unwrap();
    fs::remove_file(keystore.file(&key)).unwrap();
    assert_eq!(keystore.provider.list().unwrap(), []);
    keystore.provider.delete(&key.id).unwrap();
    assert!(!partial.exists());
}

#[test]
fn a_creation_that_cannot_store_its_key_removes_its_secret() {
    let swtpm = Swtpm::start();
    let before = Keystore::at(&swtpm.address());
    let key = before.create(1);
    let keystore = before.reopened(None).with_secrets(None);
    assert_eq!(kind(keystore.provider.create(&key.id)), ProviderErrorKind::Failed);
    assert_eq!(both_exist(&keystore, &key), (true, false));
    keystore.assert_signs(&key);

    let absent = Keystore::service("unix:/nonexistent/tpm");
    let id = SequenceRandom::key_id(1);
    assert_eq!(kind(absent.provider.create(&id)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(absent.provider.list().unwrap(), []);
}
