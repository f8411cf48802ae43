//! Tests that each fault is reported with its own kind and in time, and that the provider works
//! again after the fault.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_provider_tpm::TpmSettings;
use device_key_testing::{SequenceRandom, Swtpm, samples};
use device_key_tpm2::{CommandCode, EccP256Template, Hierarchy, Tpm, storage_key};

use crate::common::proxy::{Proxy, Seen};
use crate::common::{
    Keystore, SHORT, WITHOUT_NO_DA, assert_nothing_left, client, kind, lock_out, put_storage_key,
    settings, soon,
};

const PEER: device_key::LocalPeer = samples::peer(1000);

/// How far past its deadline an operation may end. Cleaning up may take a second more than the
/// deadline, and the rest is for a slow machine.
const SLACK: Duration = Duration::from_secs(10);

#[test]
fn a_missing_tpm_is_unavailable_hardware() {
    let keystore = Keystore::impatient("unix:/nonexistent/tpm");
    let id = SequenceRandom::key_id(1);
    assert_eq!(kind(keystore.provider.presence(&PEER)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(kind(keystore.provider.availability(&PEER)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(kind(keystore.provider.create(&id)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(keystore.provider.list().unwrap(), []);
}

#[test]
fn the_provider_does_not_connect_to_a_forbidden_simulator() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("unix:{}", folder.path().join("sock").display());
    let keystore = Keystore::with(TpmSettings { allow_simulated: false, ..settings(&address) });
    let id = SequenceRandom::key_id(1);
    assert_eq!(kind(keystore.provider.presence(&PEER)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(kind(keystore.provider.availability(&PEER)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(kind(keystore.provider.create(&id)), ProviderErrorKind::HardwareUnavailable);
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_tpm_that_serves_another_program_is_busy() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::impatient(&swtpm.address());
    let key = keystore.create(1);
    let mut other = client(&swtpm);
    // The other program is served when the provider has closed its connection.
    other.startup(soon()).unwrap();
    let started = Instant::now();
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::Busy));
    assert!(started.elapsed() >= SHORT && started.elapsed() < SHORT + SLACK);
    drop(other);
    keystore.assert_signs(&key);
}

#[test]
fn a_tpm_that_stops_answering_times_out() {
    let swtpm = Arc::new(Swtpm::start());
    let paused = Arc::new(Mutex::new(false));
    // The proxy lives until the process ends, but swtpm must end with the test.
    let (target, pause) = (Arc::downgrade(&swtpm), Arc::clone(&paused));
    let proxy = Proxy::start(&swtpm, move |seen| {
        if seen.is(CommandCode::Sign) && std::mem::take(&mut *pause.lock().unwrap()) {
            target.upgrade().unwrap().pause();
        }
    });
    let keystore = Keystore::impatient(&proxy.address());
    let key = keystore.create(1);
    keystore.assert_signs(&key);
    for _ in 0..2 {
        *paused.lock().unwrap() = true;
        let started = Instant::now();
        assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::Timeout));
        assert!(started.elapsed() >= SHORT && started.elapsed() < SHORT + SLACK);
        swtpm.resume();
        keystore.assert_signs(&key);
        // The objects that could not be flushed at first have been flushed by now.
        assert_nothing_left(&swtpm);
    }
}

#[test]
fn a_tpm_that_dies_during_a_command_is_unavailable_until_it_restarts() {
    let swtpm = Arc::new(Mutex::new(Swtpm::start()));
    let must_die = Arc::new(Mutex::new(false));
    let (target, die) = (Arc::downgrade(&swtpm), Arc::clone(&must_die));
    let proxy = Proxy::start(&swtpm.lock().unwrap(), move |seen| {
        if seen.is(CommandCode::Sign) && *die.lock().unwrap() {
            target.upgrade().unwrap().lock().unwrap().stop();
        }
    });
    let keystore = Keystore::impatient(&proxy.address());
    let key = keystore.create(1);
    *must_die.lock().unwrap() = true;
    let started = Instant::now();
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::Unavailable));
    assert!(started.elapsed() < SHORT, "the provider does not wait for a dead process");
    assert_eq!(kind(keystore.provider.availability(&PEER)), ProviderErrorKind::Unavailable);
    *must_die.lock().unwrap() = false;
    swtpm.lock().unwrap().restart();
    keystore.assert_signs(&key);
}

#[test]
fn a_restart_under_a_kept_connection_goes_unnoticed() {
    let swtpm = Arc::new(Mutex::new(Swtpm::start()));
    let restarted = Arc::new(Mutex::new(None));
    let (target, done) = (Arc::downgrade(&swtpm), Arc::clone(&restarted));
    let mut last_signature = None;
    let proxy = Proxy::start(&swtpm.lock().unwrap(), move |seen: Seen| {
        let mut done = done.lock().unwrap();
        if seen.is(CommandCode::Sign) && done.is_none() {
            // This is the second command of its kind on the connection, so the connection was kept.
            if last_signature == Some(seen.connection) {
                target.upgrade().unwrap().lock().unwrap().restart();
                *done = Some(seen.connection);
            }
            last_signature = Some(seen.connection);
        }
    });
    let keystore = Keystore::at(&proxy.address());
    let key = keystore.create(1);
    for _ in 0..100 {
        keystore.assert_signs(&key);
    }
    assert!(restarted.lock().unwrap().is_some());
    swtpm.lock().unwrap().restart();
    keystore.assert_signs(&key);
}

/// Fills the TPM like a process of ours that was killed between two commands.
#[test]
fn slots_full_of_leftovers_are_recovered() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    for leave in [leave_sessions, leave_objects] {
        for count in 1..=3 {
            let mut tpm = client(&swtpm);
            tpm.flush_everything(soon()).unwrap();
            leave(&mut tpm, count);
            drop(tpm);
            keystore.assert_signs(&key);
            let second = keystore.create(2);
            keystore.assert_signs(&second);
            keystore.assert_signs(&key);
            keystore.provider.delete(&second.id).unwrap();
        }
    }
}

fn leave_sessions(tpm: &mut Tpm, count: usize) {
    let parent = storage_key::provision(tpm, soon()).unwrap();
    for _ in 0..count {
        tpm.start_session(parent.object.handle, &parent.public, soon()).unwrap();
    }
}

fn leave_objects(tpm: &mut Tpm, count: usize) {
    let template = EccP256Template::storage_root_key();
    for _ in 0..count {
        tpm.create_primary(Hierarchy::Owner, &template, &[], soon()).unwrap();
    }
}

#[test]
fn lockout_is_reported_if_the_parent_is_subject_to_it() {
    let swtpm = Swtpm::start();
    put_storage_key(&swtpm, WITHOUT_NO_DA);
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    lock_out(&swtpm);
    assert_eq!(keystore.sign(&key), Err(ProviderErrorKind::LockedOut));
    let id = SequenceRandom::key_id(2);
    assert_eq!(kind(keystore.provider.create(&id)), ProviderErrorKind::LockedOut);
    swtpm.run_tool("tpm2_dictionarylockout", &["-c"]);
    keystore.assert_signs(&key);
    drop(keystore);
    assert_nothing_left(&swtpm);
}

#[test]
fn lockout_does_not_concern_our_own_parent() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    lock_out(&swtpm);
    keystore.assert_signs(&key);
    keystore.assert_signs(&keystore.create(2));
}

#[test]
fn a_password_of_the_owner_matters_only_without_a_storage_key() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    swtpm.run_tool("tpm2_changeauth", &["-c", "owner", "secret"]);
    keystore.assert_signs(&key);
    keystore.assert_signs(&keystore.create(2));

    let bare = Swtpm::start();
    bare.run_tool("tpm2_changeauth", &["-c", "owner", "secret"]);
    let keystore = Keystore::at(&bare.address());
    let id = SequenceRandom::key_id(1);
    assert_eq!(kind(keystore.provider.create(&id)), ProviderErrorKind::Failed);
    assert_eq!(keystore.provider.list().unwrap(), []);
    assert_nothing_left(&bare);
}

#[test]
fn silent_connections_do_no_harm() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::at(&swtpm.address());
    let key = keystore.create(1);
    drop(UnixStream::connect(swtpm.socket()).unwrap());
    keystore.assert_signs(&key);
}
