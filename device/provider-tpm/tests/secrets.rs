//! Keys that sign only for whoever holds their secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use device_key::{DeviceKeyProvider as _, ProviderErrorKind};
use device_key_provider_tpm::{Authorization, KeyFile};
use device_key_testing::{SequenceRandom, Swtpm};
use device_key_tpm2::CommandCode;

use crate::common::proxy::Proxy;
use crate::common::{Keystore, SRK, WITHOUT_NO_DA, kind, lock_out, put, put_storage_key};

const KEY: [u8; 32] = [7; 32];

#[test]
fn each_key_has_a_secret_of_its_own() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    for key in [&key, &other, &key] {
        keystore.assert_signs(key);
        assert_eq!(keystore.read(key).authorization, Authorization::Secret);
        let metadata = fs::metadata(keystore.secret_file(key)).unwrap();
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
    }
    let secret = |key| fs::read(keystore.secret_file(key)).unwrap();
    assert_ne!(secret(&key), secret(&other));
    assert_ne!(secret(&key), [0; 32]);
}

#[test]
fn the_key_files_alone_are_useless() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    let commands = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commands);
    let proxy = Proxy::start(&swtpm, move |command| seen.lock().unwrap().push(command));
    let thief = Keystore::service(&proxy.address());
    put(&thief.file(&key), &fs::read(keystore.file(&key)).unwrap());
    assert_eq!(thief.sign(&key), Err(ProviderErrorKind::KeyLost));

    // With another secret, or the claim that there is none, it is the TPM that says no.
    put(&thief.secret_file(&key), &fs::read(keystore.secret_file(&other)).unwrap());
    assert_eq!(thief.sign(&key), Err(ProviderErrorKind::KeyLost));
    let forged = KeyFile { authorization: Authorization::Empty, ..keystore.read(&key) };
    put(&thief.file(&key), forged.to_pem().unwrap().as_bytes());
    commands.lock().unwrap().clear();
    assert_eq!(thief.sign(&key), Err(ProviderErrorKind::KeyLost));
    let signed = commands.lock().unwrap().iter().any(|seen| seen.is(CommandCode::Sign));
    assert!(signed, "loading the key takes no secret, so the TPM refuses to sign only then");

    put(&thief.file(&key), &fs::read(keystore.file(&key)).unwrap());
    put(&thief.secret_file(&key), &fs::read(keystore.secret_file(&key)).unwrap());
    let fresh = thief.reopened(None).with_secrets(None);
    fresh.assert_signs(&key);
    keystore.assert_signs(&key);
}

#[test]
fn a_program_without_a_place_for_secrets_has_not_lost_the_key() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let key = keystore.create(1);
    let client = keystore.reopened(None);
    assert_eq!(client.sign(&key), Err(ProviderErrorKind::Failed));
    assert_eq!(kind(client.provider.delete(&key.id)), ProviderErrorKind::Failed);
    keystore.assert_signs(&key);
}

#[test]
fn earlier_keys_keep_working_without_a_secret() {
    let swtpm = Swtpm::start();
    let before = Keystore::at(&swtpm.address());
    let key = before.create(1);
    let keystore = before.reopened(None).with_secrets(None);
    let with_secret = keystore.create(2);
    for key in [&key, &with_secret, &key] {
        keystore.assert_signs(key);
    }
    assert!(!keystore.secret_file(&key).exists());
    assert_eq!(keystore.provider.list().unwrap(), [key.id, with_secret.id]);
    before.assert_signs(&key);
    keystore.provider.delete(&key.id).unwrap();
    assert_eq!(keystore.provider.list().unwrap(), [with_secret.id]);
}

#[test]
fn wrapped_secrets_open_with_their_key_under_their_name_only() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::wrapping(&swtpm.address(), KEY);
    let (key, other) = (keystore.create(1), keystore.create(2));
    let stored = fs::read(keystore.secret_file(&key)).unwrap();
    assert!(stored.len() > 32);

    let signs = |wrapping_key| keystore.reopened(None).with_secrets(wrapping_key).sign(&key);
    assert!(signs(Some(KEY)).is_ok());
    assert_eq!(signs(Some([8; 32])).unwrap_err(), ProviderErrorKind::KeyLost);
    // The service was set up wrongly; nobody is to enroll anew for that.
    assert_eq!(signs(None).unwrap_err(), ProviderErrorKind::Failed);

    put(&keystore.secret_file(&key), &fs::read(keystore.secret_file(&other)).unwrap());
    assert_eq!(signs(Some(KEY)).unwrap_err(), ProviderErrorKind::KeyLost);
    let mut later = stored.clone();
    later[3] += 1;
    put(&keystore.secret_file(&key), &later);
    assert_eq!(signs(Some(KEY)).unwrap_err(), ProviderErrorKind::Failed, "of a later version");
    put(&keystore.secret_file(&key), &stored);
    assert!(signs(Some(KEY)).is_ok());
}

#[test]
fn a_damaged_secret_is_a_lost_key() {
    let swtpm = Swtpm::start();
    let clear = Keystore::service(&swtpm.address());
    let wrapped = Keystore::wrapping(&swtpm.address(), KEY);
    for (keystore, wrapping_key) in [(&clear, None), (&wrapped, Some(KEY))] {
        let key = keystore.create(1);
        let whole = fs::read(keystore.secret_file(&key)).unwrap();
        let one_byte_changed = [0, 1, whole.len() / 2, whole.len() - 1].map(|position| {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x81;
            bytes
        });
        let cut_or_longer = [&whole[..0], &whole[..31], &[&whole[..], &[1]].concat(), &[1; 300]];
        for bytes in one_byte_changed.into_iter().chain(cut_or_longer.map(<[u8]>::to_vec)) {
            put(&keystore.secret_file(&key), &bytes);
            let fresh = keystore.reopened(None).with_secrets(wrapping_key);
            assert_eq!(fresh.sign(&key), Err(ProviderErrorKind::KeyLost), "{bytes:02x?}");
        }
        put(&keystore.secret_file(&key), &whole);
        keystore.reopened(None).with_secrets(wrapping_key).assert_signs(&key);
    }
}

#[test]
fn secrets_in_the_clear_are_still_read_once_new_ones_are_wrapped() {
    let swtpm = Swtpm::start();
    let before = Keystore::service(&swtpm.address());
    let key = before.create(1);
    let keystore = before.reopened(None).with_secrets(Some(KEY));
    keystore.assert_signs(&key);
    keystore.assert_signs(&keystore.create(2));
}

#[test]
fn the_secret_never_travels_in_the_clear() {
    let swtpm = Swtpm::start();
    let commands = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commands);
    let proxy = Proxy::altering(&swtpm, move |_, command| {
        seen.lock().unwrap().push(command.to_vec());
    });
    let keystore = Keystore::service(&proxy.address());
    let key = keystore.create(1);
    keystore.assert_signs(&key);
    let secret = fs::read(keystore.secret_file(&key)).unwrap();
    let commands = commands.lock().unwrap();
    assert!(
        commands.iter().any(|command| command[6..10] == CommandCode::Sign.value().to_be_bytes())
    );
    for part in secret.windows(8) {
        assert!(!commands.iter().any(|command| command.windows(8).any(|bytes| bytes == part)));
    }
}

/// Somebody else's key stands where the storage root key did: the session is salted to it, so
/// whoever holds it could take apart what the secret goes into.
#[test]
fn nothing_that_knows_the_secret_is_sent_under_another_parent() {
    let swtpm = Swtpm::start();
    let commands = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commands);
    let proxy = Proxy::start(&swtpm, move |command| seen.lock().unwrap().push(command));
    let keystore = Keystore::service(&proxy.address());
    let key = keystore.create(1);
    let fresh = keystore.reopened(None).with_secrets(None);
    drop(keystore);
    swtpm.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", SRK]);
    put_storage_key(&swtpm, WITHOUT_NO_DA);

    commands.lock().unwrap().clear();
    assert_eq!(fresh.sign(&key), Err(ProviderErrorKind::KeyLost));
    let commands = commands.lock().unwrap();
    assert!(commands.iter().any(|seen| seen.is(CommandCode::StartAuthSession)));
    for code in [CommandCode::Create, CommandCode::Load, CommandCode::Sign] {
        assert!(!commands.iter().any(|seen| seen.is(code)), "{code:?} was sent");
    }
}

#[test]
fn a_key_with_a_secret_signs_during_lockout() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::service(&swtpm.address());
    let (key, other) = (keystore.create(1), keystore.create(2));
    lock_out(&swtpm);
    keystore.assert_signs(&key);
    // Nor does a wrong secret count.
    put(&keystore.secret_file(&other), &[9; 32]);
    assert_eq!(keystore.sign(&other), Err(ProviderErrorKind::KeyLost));
    keystore.assert_signs(&key);
}

/// Nonces out of step are answered like a wrong secret, so a kept session's no is asked for again.
#[test]
fn a_refusal_in_a_kept_session_is_no_lost_key() {
    let swtpm = Swtpm::start();
    let altered = Arc::new(Mutex::new(false));
    let done = Arc::clone(&altered);
    let mut last_signature = None;
    let proxy = Proxy::altering(&swtpm, move |seen, command| {
        let mut done = done.lock().unwrap();
        if seen.is(CommandCode::Sign) && !*done {
            // The second one on a connection: it was kept.
            if last_signature == Some(seen.connection) {
                // Header, key and size of the authorization stand before the session and its nonce.
                command[10 + 4 + 4 + 4 + 2] ^= 1;
                *done = true;
            }
            last_signature = Some(seen.connection);
        }
    });
    let keystore = Keystore::service(&proxy.address());
    let key = keystore.create(1);
    for _ in 0..100 {
        keystore.assert_signs(&key);
    }
    assert!(*altered.lock().unwrap());
    assert_eq!(keystore.provider.list().unwrap(), [SequenceRandom::key_id(1)]);
}
