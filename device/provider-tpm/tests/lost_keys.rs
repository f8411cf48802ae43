//! Tests that a key which this TPM cannot load is reported as lost.

use std::fs;
use std::os::unix::fs::symlink;

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_provider_tpm::KeyFile;
use device_key_testing::Swtpm;
use device_key_tpm2::PrivateBlob;

use crate::common::{Key, Keystore};

fn assert_lost(keystore: &Keystore, key: &Key) {
    // Using another key first unloads this key, which a kept connection could still have loaded.
    keystore.assert_signs(&keystore.create(99));
    assert_eq!(keystore.sign(key), Err(ProviderErrorKind::KeyLost));
    keystore.provider.delete(&device_key_testing::SequenceRandom::key_id(99)).unwrap();
}

#[test]
fn clearing_the_tpm_loses_old_keys_and_allows_new_keys() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    swtpm.run_tool("tpm2_clear", &[]);
    assert_lost(&keystore, &key);
    // The key is lost even if the parent is not compared, because the key was encrypted under
    // another seed.
    let mut moved = key;
    moved.created.storage_parent = keystore.create(2).created.storage_parent;
    assert_lost(&keystore, &moved);
}

#[test]
fn a_key_of_another_tpm_is_lost() {
    let (here, elsewhere) = (Swtpm::start(), Swtpm::start());
    let (ours, theirs) = (Keystore::at(&here.address()), Keystore::at(&elsewhere.address()));
    let (key, foreign) = (ours.create(1), theirs.create(1));
    fs::copy(theirs.file(&foreign), ours.file(&key)).unwrap();
    assert_lost(&ours, &foreign);
    assert_lost(&ours, &key);
    let foreign_here = Key {
        created: device_key::CreatedKey {
            storage_parent: key.created.storage_parent.clone(),
            ..foreign.created
        },
        ..foreign
    };
    assert_lost(&ours, &foreign_here);
}

/// Another process of the same home uses the new TPM already, while this process still has a
/// connection to the old TPM.
#[test]
fn a_kept_connection_to_a_replaced_tpm_loses_no_key() {
    let (old, new) = (Swtpm::start(), Swtpm::start());
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tpm");
    let lead_to = |swtpm: &Swtpm| {
        let next = folder.path().join("next");
        symlink(swtpm.address().strip_prefix("unix:").unwrap(), &next).unwrap();
        fs::rename(&next, &place).unwrap();
    };
    lead_to(&old);
    let keystore = Keystore::at(&format!("unix:{}", place.display()));
    let former = keystore.create(1);
    let key = keystore.reopened(Some(&new.address())).create(2);
    keystore.assert_signs(&former);
    lead_to(&new);
    keystore.assert_signs(&key);
    assert_lost(&keystore, &former);
}

#[test]
fn a_key_with_a_damaged_missing_or_exchanged_file_is_lost() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    let path = keystore.file(&key);
    let whole = fs::read(&path).unwrap();
    for damaged in [&b""[..], &whole[..whole.len() / 2], &[b'x'; 5000]] {
        fs::write(&path, damaged).unwrap();
        assert_lost(&keystore, &key);
    }
    fs::copy(keystore.file(&other), &path).unwrap();
    assert_lost(&keystore, &key);
    fs::remove_file(&path).unwrap();
    assert_lost(&keystore, &key);
    fs::write(&path, &whole).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&path, permissions).unwrap();
    keystore.assert_signs(&key);
}

/// Damages every byte of the private part, including its length and the sizes inside it.
#[test]
fn a_key_with_any_byte_of_its_private_part_changed_is_lost() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    let path = keystore.file(&key);
    let file = keystore.read(&key);
    let whole = file.private.as_bytes().to_vec();
    let one_byte_changed = (0..whole.len()).map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x81;
        bytes
    });
    let cut_or_longer = [whole[..1].to_vec(), whole[..40].to_vec(), [&whole[..], &[0]].concat()];
    for bytes in one_byte_changed.chain(cut_or_longer) {
        let private = PrivateBlob::try_from(&bytes[..]).unwrap();
        let damaged = KeyFile { private, ..file.clone() };
        fs::write(&path, damaged.to_pem().unwrap()).unwrap();
        // Signing with another key first unloads the key, so that it must be loaded again.
        keystore.provider.delete(&device_key_testing::SequenceRandom::key_id(3)).unwrap();
        keystore.create(3);
        assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::KeyLost), "{bytes:02x?}");
    }
}
