//! Device keys in a real swtpm: creating, loading and using them, and the cases in which the TPM
//! refuses.

use crate::common::cross_check::CrossCheckedTransport;
use crate::common::keys::{Keys, authorized_parent};
use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::{
    AuthValue, AuthorizedObject, CommandCode, EccP256Public, EccP256Template, Handle, PrivateBlob,
    ResponseClass, Tpm, storage_key,
};
use device_key_types::OsRandom;

const DIGEST: [u8; 32] = [0x5a; 32];

#[test]
fn every_command_is_read_by_the_independent_crate_and_the_key_signs() {
    let swtpm = Swtpm::start();
    let (transport, seen) = CrossCheckedTransport::new(swtpm.connect());
    let mut tpm = Tpm::new(Box::new(transport), Box::new(OsRandom));
    tpm.startup(soon()).unwrap();
    tpm.self_test(soon()).unwrap();
    assert_eq!(tpm.get_random(16, soon()).unwrap().len(), 16);
    let properties = tpm.properties(soon()).unwrap();
    assert_eq!((properties.manufacturer.as_str(), properties.vendor.as_str()), ("IBM", "SW   TPM"));
    assert_ne!(properties.firmware_version, 0);

    let mut keys = Keys::make(&mut tpm, &[], soon());
    let signature = keys.sign(&mut tpm, &DIGEST, soon()).unwrap();
    assert!(keys.verifies(&DIGEST, signature));
    assert!(!keys.verifies(&[0; 32], signature));
    tpm.flush(keys.loaded.handle, soon()).unwrap();
    tpm.flush_session(keys.session, soon()).unwrap();

    let expected = [
        CommandCode::EvictControl,
        CommandCode::CreatePrimary,
        CommandCode::SelfTest,
        CommandCode::Startup,
        CommandCode::Create,
        CommandCode::Load,
        CommandCode::Sign,
        CommandCode::FlushContext,
        CommandCode::ReadPublic,
        CommandCode::StartAuthSession,
        CommandCode::GetCapability,
        CommandCode::GetRandom,
    ];
    let expected = expected.map(CommandCode::value).into_iter().collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn a_session_lasts_for_many_commands() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    let started = std::time::Instant::now();
    for number in 0..200u8 {
        let digest = [number; 32];
        let signature = keys.sign(&mut tpm, &digest, soon()).unwrap();
        if number % 20 == 0 {
            assert!(keys.verifies(&digest, signature));
        }
    }
    println!("{:?} a signature in a kept session", started.elapsed() / 200);
    let template = EccP256Template::device_key();
    let parent = authorized_parent(&keys.parent);
    for _ in 0..8 {
        let another =
            tpm.create(&mut keys.session, parent, &template, &AuthValue::empty(), soon()).unwrap();
        let loaded =
            tpm.load(&mut keys.session, parent, &another.private, &another.public, soon()).unwrap();
        tpm.flush(loaded.handle, soon()).unwrap();
    }
}

#[test]
fn a_key_with_a_secret_signs_only_with_it() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut secret = [0x77; 32];
    // A TPM drops a zero byte at the end of a secret. One random secret in 256 ends with a zero
    // byte, and it must still authorize the key.
    for last in [0x77, 0x00] {
        secret[31] = last;
        let mut keys = Keys::make(&mut tpm, &secret, soon());
        let signature = keys.sign(&mut tpm, &DIGEST, soon()).unwrap();
        assert!(keys.verifies(&DIGEST, signature));
        for wrong in [&[][..], &[0x77; 30]] {
            keys.secret = AuthValue::try_from(wrong).unwrap();
            let error = keys.sign(&mut tpm, &DIGEST, soon()).unwrap_err();
            assert_eq!(error.class(), Some(ResponseClass::Authorization));
            assert_eq!(error.reason(), "tpm_authorization");
        }
        // A refusal does not change the nonces, so the same session can continue.
        keys.secret = AuthValue::try_from(&secret[..]).unwrap();
        keys.sign(&mut tpm, &DIGEST, soon()).unwrap();
        tpm.flush(keys.loaded.handle, soon()).unwrap();
        tpm.flush_session(keys.session, soon()).unwrap();
    }
}

#[test]
fn blobs_load_again_after_a_restart() {
    let mut swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    drop(tpm);
    swtpm.restart();
    let mut tpm = swtpm.tpm();
    let gone = keys.sign(&mut tpm, &DIGEST, soon()).unwrap_err();
    assert!(matches!(
        gone.class(),
        Some(ResponseClass::HandleMissing | ResponseClass::SessionMissing)
    ));

    let parent = storage_key::provision(&mut tpm, soon()).unwrap();
    assert_eq!(parent, keys.parent);
    let private = PrivateBlob::from_tpm2b(&keys.created.private.to_tpm2b()).unwrap();
    let public = EccP256Public::from_tpm2b(&keys.created.public.to_tpm2b()).unwrap();
    keys.session = tpm.start_session(parent.object.handle, &parent.public, soon()).unwrap();
    keys.loaded =
        tpm.load(&mut keys.session, authorized_parent(&parent), &private, &public, soon()).unwrap();
    let signature = keys.sign(&mut tpm, &DIGEST, soon()).unwrap();
    assert!(keys.verifies(&DIGEST, signature));
}

#[test]
fn damaged_and_foreign_blobs_are_an_integrity_error() {
    let (here, elsewhere) = (Swtpm::start(), Swtpm::start());
    let mut tpm = here.tpm();
    let mut other = elsewhere.tpm();
    let mut keys = Keys::make(&mut tpm, &[], soon());
    let foreign = Keys::make(&mut other, &[], soon());
    assert_ne!(keys.parent.name(), foreign.parent.name());
    let mut damaged = keys.created.private.as_bytes().to_vec();
    damaged[40] ^= 1;
    let damaged = PrivateBlob::try_from(&damaged[..]).unwrap();
    for (private, public) in [
        (&damaged, &keys.created.public),
        (&foreign.created.private, &foreign.created.public),
        (&keys.created.private, &foreign.created.public),
    ] {
        let error = tpm
            .load(&mut keys.session, authorized_parent(&keys.parent), private, public, soon())
            .unwrap_err();
        assert_eq!(error.class(), Some(ResponseClass::Integrity), "{error}");
    }
}

#[test]
fn a_cleared_tpm_has_another_storage_key_and_refuses_old_blobs() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let keys = Keys::make(&mut tpm, &[], soon());
    tpm.flush_everything(soon()).unwrap();
    drop(tpm);
    swtpm.run_tool("tpm2_clear", &[]);
    let mut tpm = swtpm.tpm();
    let parent = storage_key::provision(&mut tpm, soon()).unwrap();
    assert_ne!(parent.name(), keys.parent.name());
    let mut session = tpm.start_session(parent.object.handle, &parent.public, soon()).unwrap();
    let created = &keys.created;
    let error = tpm
        .load(&mut session, authorized_parent(&parent), &created.private, &created.public, soon())
        .unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Integrity));
}

#[test]
fn a_session_salted_to_another_key_authorizes_nothing() {
    let swtpm = Swtpm::start();
    let mut tpm = swtpm.tpm();
    let keys = Keys::make(&mut tpm, &[], soon());
    // The TPM computes the salt with its storage key, and this crate with the point of the device
    // key, so the two results of KDFe differ.
    let mut session =
        tpm.start_session(Handle::STORAGE_ROOT_KEY, &keys.created.public, soon()).unwrap();
    let key = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
    let error = tpm.sign(&mut session, key, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Authorization));
}
