//! Tests that a key with a secret signs only for a program that has the secret.

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

    // If the file has another secret, or claims that there is no secret, the TPM refuses to sign.
    put(&thief.secret_file(&key), &fs::read(keystore.secret_file(&other)).unwrap());
    assert_eq!(thief.sign(&key), Err(ProviderErrorKind::KeyLost));
    let forged = KeyFile { authorization: Authorization::Empty, ..keystore.read(&key) };
    put(&thief.file(&key), forged.to_pem().unwrap().as_bytes());
    commands.lock().unwrap().clear();
    assert_eq!(thief.sign(&key), Err(ProviderErrorKind::KeyLost));
    let signed = commands.lock().unwrap().iter().any(|seen| seen.is(CommandCode::Sign));
    assert!(signed, "loading the key takes no secret, so the TPM refuses only when it signs");

    put(&thief.file(&key), &fs::read(keystore.file(&key)).unwrap());
    put(&thief.secret_file(&key), &fs::read(keystore.secret_file(&key)).unwrap());
    let fresh = thief.reopened(None).with_secrets(None);
    fresh.assert_signs(&key);
    keystore.assert_signs(&key);
}

#[test]
fn a_key_is_not_lost_for_a_program_without_a_folder_for_secrets() {
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
fn wrapped_secrets_open_only_with_their_wrapping_key_and_key_id() {
    let swtpm = Swtpm::start();
    let keystore = Keystore::wrapping(&swtpm.address(), KEY);
    let (key, other) = (keystore.create(1), keystore.create(2));
    let stored = fs::read(keystore.secret_file(&key)).unwrap();
    assert!(stored.len() > 32);

    let signs = |wrapping_key| keystore.reopened(None).with_secrets(wrapping_key).sign(&key);
    assert!(signs(Some(KEY)).is_ok());
    // The service is set up wrongly, so the key is not lost and nobody should enroll again.
    assert_eq!(signs(Some([8; 32])).unwrap_err(), ProviderErrorKind::Failed);
    assert_eq!(signs(None).unwrap_err(), ProviderErrorKind::Failed);

    put(&keystore.secret_file(&key), &fs::read(keystore.secret_file(&other)).unwrap());
    assert_eq!(signs(Some(KEY)).unwrap_err(), ProviderErrorKind::Failed);
    let mut later = stored.clone();
    later[3] += 1;
    put(&keystore.secret_file(&key), &later);
    assert_eq!(
        signs(Some(KEY)).unwrap_err(),
        ProviderErrorKind::Failed,
        "a secret that a later version wrapped"
    );
    put(&keystore.secret_file(&key), &stored);
    assert!(signs(Some(KEY)).is_ok());
}

#[test]
fn a_key_with_a_damaged_secret_is_lost() {
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
            // A secret that is wrapped under another key looks the same, and is not lost.
            let may_be_of_another_key = bytes.starts_with(b"DKW");
            let expected = if may_be_of_another_key {
                ProviderErrorKind::Failed
            } else {
                ProviderErrorKind::KeyLost
            };
            assert_eq!(fresh.sign(&key), Err(expected), "{bytes:02x?}");
        }
        put(&keystore.secret_file(&key), &whole);
        keystore.reopened(None).with_secrets(wrapping_key).assert_signs(&key);
    }
}

#[test]
fn unencrypted_secrets_are_still_read_with_a_wrapping_key() {
    let swtpm = Swtpm::start();
    let before = Keystore::service(&swtpm.address());
    let key = before.create(1);
    let keystore = before.reopened(None).with_secrets(Some(KEY));
    keystore.assert_signs(&key);
    keystore.assert_signs(&keystore.create(2));
}

#[test]
fn the_secret_is_never_sent_unencrypted() {
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

/// Another program's key is at the handle of the storage root key. The session is salted to this
/// key, so whoever has its private part could decrypt messages that depend on the secret.
#[test]
fn the_secret_is_never_used_under_another_parent() {
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
    // A wrong secret does not count as a failed attempt either.
    put(&keystore.secret_file(&other), &[9; 32]);
    assert_eq!(keystore.sign(&other), Err(ProviderErrorKind::KeyLost));
    keystore.assert_signs(&key);
}

/// The TPM answers nonces that are out of step like a wrong secret. So a refusal in a kept session
/// is checked again in a new session.
#[test]
fn a_refusal_in_a_kept_session_does_not_lose_the_key() {
    let swtpm = Swtpm::start();
    let altered = Arc::new(Mutex::new(false));
    let done = Arc::clone(&altered);
    let mut last_signature = None;
    let proxy = Proxy::altering(&swtpm, move |seen, command| {
        let mut done = done.lock().unwrap();
        if seen.is(CommandCode::Sign) && !*done {
            // This is the second command of its kind on the connection, so the connection was kept.
            if last_signature == Some(seen.connection) {
                // The header, the key and the size of the authorization come before the session and
                // its nonce.
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
