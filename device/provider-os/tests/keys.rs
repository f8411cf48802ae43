//! Tests that the provider keeps the contract of all providers, and what happens to a key whose
//! file changes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use device_key::{DeviceKeyProvider as _, KeyReference};
use device_key_provider_os::{OsProvider, OsSettings};
use device_key_testing::samples::signing_input;
use device_key_testing::{SequenceRandom, conformance};
use device_key_wrapping::WrappingKey;
use tokio::runtime;

use crate::runner::Test;
use crate::scene::{CLIENT, SERVICE, Scene, set_mode};
use crate::service::{keys_in, outcome, peer, prepare};

pub(crate) const TESTS: &[Test] = &[
    ("keys::the_provider_conforms", the_provider_conforms),
    ("keys::a_key_with_a_changed_file_is_refused", a_key_with_a_changed_file_is_refused),
    ("keys::key_files_are_private_and_complete", key_files_are_private_and_complete),
];

fn the_provider_conforms() {
    for wrapping in ["plain", "wrapped"] {
        let scene = Scene::new();
        let home = scene.home(SERVICE);
        scene.output(SERVICE, &["conformance", home.to_str().unwrap(), wrapping]);
    }
}

/// Runs in a child: checks the whole contract in a hardened process, for a client of another user.
pub(crate) fn conform(home: &str, wrapping: &str) {
    prepare(Path::new(home), "fully");
    let provider = Arc::new(provider(home, (wrapping == "wrapped").then_some(1)));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = peer(&CLIENT.to_string(), "unix");
    runtime.block_on(conformance::provider_for(provider, peer));
}

fn a_key_with_a_changed_file_is_refused() {
    let scene = Scene::new();
    scene.output(SERVICE, &["change-files", scene.home(SERVICE).to_str().unwrap()]);
}

/// Runs in a child: changes key files in many ways and checks what signing answers.
pub(crate) fn change_files(home: &str) {
    prepare(Path::new(home), "fully");
    let (plain, wrapped) = (key(home, 1, None), key(home, 2, Some(1)));
    let file = |key: &KeyReference| keys_in(home).path().join(format!("{}.p8", key.key_id));
    let load = |key: &KeyReference, wrapping: Option<u8>| {
        outcome(provider(home, wrapping).sign(&signing_input(key)).map(drop))
    };
    assert_eq!(load(&plain, None), "ok");
    assert_eq!(load(&wrapped, Some(1)), "ok");
    assert_eq!(load(&wrapped, Some(2)), "provider_failed", "another wrapping key");
    assert_eq!(load(&wrapped, None), "provider_failed", "no wrapping key");
    assert_eq!(
        load(&plain, Some(1)),
        "provider_failed",
        "not encrypted, although a wrapping key is configured"
    );

    let other = KeyReference { public_key: wrapped.public_key.clone(), ..plain.clone() };
    assert_eq!(load(&other, None), "key_lost", "another public key");

    let whole = fs::read(file(&plain)).unwrap();
    fs::write(file(&plain), &whole[..whole.len() - 1]).unwrap();
    assert_eq!(load(&plain, None), "key_lost", "cut short");
    fs::write(file(&plain), [0; 600]).unwrap();
    assert_eq!(load(&plain, None), "key_lost", "far too long");
    fs::write(file(&plain), fs::read(file(&wrapped)).unwrap()).unwrap();
    assert_eq!(load(&plain, Some(1)), "provider_failed", "encrypted for another name");
    fs::write(file(&plain), &whole).unwrap();
    set_mode(&file(&plain), 0o640);
    assert_eq!(load(&plain, None), "key_folder", "readable by the group");
    set_mode(&file(&plain), 0o600);
    assert_eq!(load(&plain, None), "ok", "the original file");

    let holder = provider(home, None);
    holder.sign(&signing_input(&plain)).unwrap();
    holder.delete(&plain.key_id).unwrap();
    let deleted = holder.sign(&signing_input(&plain)).map(drop);
    assert_eq!(outcome(deleted), "key_lost", "a deleted key is not used from memory");
    assert!(!file(&plain).exists());
    assert_eq!(holder.list().unwrap(), [wrapped.key_id]);
}

fn key_files_are_private_and_complete() {
    let scene = Scene::new();
    scene.output(SERVICE, &["look-at-files", scene.home(SERVICE).to_str().unwrap()]);
}

/// Runs in a child: checks the mode and size of key files, and the traces of a killed creation.
pub(crate) fn look_at_files(home: &str) {
    prepare(Path::new(home), "fully");
    let key = key(home, 1, None);
    let folder = keys_in(home).path().to_owned();
    let file = fs::metadata(folder.join(format!("{}.p8", key.key_id))).unwrap();
    assert_eq!((file.mode() & 0o7777, file.len()), (0o600, 231));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    // The partial file of a killed creation is not listed, and deleting the key removes it.
    let id = SequenceRandom::key_id(2);
    let partial = folder.join(format!(".{id}.p8.partial"));
    fs::write(&partial, b"").unwrap();
    set_mode(&partial, 0o600);
    let provider = provider(home, None);
    assert_eq!(provider.list().unwrap(), [key.key_id]);
    provider.delete(&id).unwrap();
    assert!(!partial.exists());
}

fn provider(home: &str, wrapping: Option<u8>) -> OsProvider {
    let wrapping_key = wrapping.map(|number| WrappingKey::from_bytes([number; 32]));
    OsProvider::new(OsSettings { wrapping_key, ..OsSettings::default() }, keys_in(home))
}

fn key(home: &str, number: u64, wrapping: Option<u8>) -> KeyReference {
    let key_id = SequenceRandom::key_id(number);
    let created = provider(home, wrapping).create(&key_id).unwrap();
    KeyReference { key_id, public_key: created.public_key, storage_parent: None }
}
