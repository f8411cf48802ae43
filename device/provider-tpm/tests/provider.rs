//! Tests the contract of providers, turns between programs, and the parent that a key is bound to.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_provider_tpm::{Parent, TpmSettings};
use device_key_testing::{SequenceRandom, Swtpm, conformance, samples};
use device_key_tpm2::CommandCode;
use device_key_types::{StorageParentName, TpmKind};

use crate::common::proxy::Proxy;
use crate::common::{Keystore, put_storage_key, settings};

const PEER: device_key::LocalPeer = samples::peer(1000);

#[tokio::test]
async fn the_provider_conforms() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    conformance::provider(keystore.provider.clone()).await;
}

#[tokio::test]
async fn the_provider_conforms_with_a_transient_parent() {
    let swtpm = Swtpm::start();
    put_storage_key(&swtpm, "rsa2048");
    let keystore = Keystore::at(&swtpm.address());
    conformance::provider(keystore.provider.clone()).await;
}

#[tokio::test]
async fn the_provider_conforms_with_a_secret_for_each_key() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    conformance::provider(keystore.provider.clone()).await;
}

#[tokio::test]
async fn the_provider_conforms_with_wrapped_secrets() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::wrapping(&swtpm.address(), [7; 32]);
    conformance::provider(keystore.provider.clone()).await;
}

#[test]
fn facts_name_a_simulator() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let facts = keystore.provider.facts().unwrap();
    assert_eq!(
        (facts.manufacturer.trim(), facts.vendor.trim(), facts.kind, facts.has_persistent_parent),
        ("IBM", "SW   TPM", TpmKind::Simulated, true)
    );
    let key = keystore.create(1);
    assert_eq!(key.created.tpm_kind, Some(TpmKind::Simulated));
    assert_eq!(keystore.read(&key).parent, Parent::Persistent);
}

/// Uses a connection that is kept open, because opening a new connection sends more commands.
#[test]
fn availability_sends_one_short_command() {
    let swtpm = Swtpm::start();
    let commands = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commands);
    let proxy = Proxy::start(&swtpm, move |command| seen.lock().unwrap().push(command));
    let keystore = Keystore::at(&proxy.address());
    let is_short = || {
        keystore.provider.availability(&PEER).unwrap();
        commands.lock().unwrap().clear();
        keystore.provider.availability(&PEER).unwrap();
        matches!(commands.lock().unwrap()[..], [seen] if seen.is(CommandCode::GetRandom))
    };
    // On a slow machine the idle connection may have been closed in between.
    assert!((0..100).any(|_| is_short()));
}

#[test]
fn two_providers_take_turns() {
    const KEYS: u64 = 4;
    const SIGNATURES: usize = 100;
    let swtpm = Swtpm::start();
    let address = swtpm.address();
    let started = Instant::now();
    let work = |keystore: &Keystore| {
        for number in 1..=KEYS {
            let key = keystore.create(number);
            for _ in 0..SIGNATURES {
                keystore.assert_signs(&key);
            }
        }
        started.elapsed()
    };
    let (first, second) = (Keystore::at(&address), Keystore::at(&address));
    let took = thread::scope(|scope| {
        let threads = [scope.spawn(|| work(&first)), scope.spawn(|| work(&second))];
        threads.map(|thread| thread.join().unwrap())
    });
    println!("two providers with {KEYS} keys and {SIGNATURES} signatures each: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_mins(1)), "{took:?}");
}

/// A provider that signs all the time must let another provider make a single signature.
#[test]
fn a_busy_provider_does_not_starve_another() {
    let swtpm = Swtpm::start();
    let busy = Keystore::at(&swtpm.address());
    let other = Keystore::with(TpmSettings {
        deadline: Duration::from_secs(10),
        ..settings(&swtpm.address())
    });
    let (key, wanted) = (busy.create(1), other.create(1));
    let is_done = Mutex::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !*is_done.lock().unwrap() {
                busy.assert_signs(&key);
            }
        });
        let results: Vec<_> = (0..3).map(|_| other.sign(&wanted)).collect();
        *is_done.lock().unwrap() = true;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    });
}

#[test]
fn a_key_is_lost_and_never_loaded_under_another_parent() {
    let swtpm = Swtpm::start();
    let loads = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&loads);
    let proxy = Proxy::start(&swtpm, move |seen| {
        *counter.lock().unwrap() += usize::from(seen.is(CommandCode::Load));
    });
    let maker = Keystore::at(&proxy.address());
    let mut key = maker.create(1);
    assert_eq!(*loads.lock().unwrap(), 1, "creation proves that the key loads");
    let recorded = key.created.storage_parent.take().unwrap();
    for other in [None, Some(StorageParentName::from_bytes(&[0; 34]))] {
        key.created.storage_parent = other;
        assert_eq!(maker.sign(&key), Err(ProviderErrorKind::KeyLost));
    }
    assert_eq!(*loads.lock().unwrap(), 1);
    key.created.storage_parent = Some(recorded);
    maker.assert_signs(&key);
}

#[test]
fn deleting_removes_the_rest_of_an_interrupted_creation() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    let whole = keystore.file(&key);
    let id = SequenceRandom::key_id(2);
    let partial = whole.with_file_name(format!(".{id}.pem.partial"));
    std::fs::rename(&whole, &partial).unwrap();
    assert_eq!(keystore.provider.list().unwrap(), []);
    keystore.provider.delete(&id).unwrap();
    assert!(!partial.exists());
}
