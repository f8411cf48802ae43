//! An attacker between this crate and the TPM changes or replays messages, or answers itself.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::common::attestation::{OwnedCredential, activate, attestation_key};
use crate::common::keys::{Keys, authorized_parent};
use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::{
    AuthorizedObject, EccP256Template, EndorsementTemplate, Error, Handle, HandleRange, Hierarchy,
    ResponseClass, RetryPolicy, Tpm, Transport, TransportError,
};
use device_key_types::OsRandom;

const DIGEST: [u8; 32] = [0x5a; 32];
/// The offset of the encrypted digest in a Sign command: header 10, handle 4, authorization size 4,
/// session handle 4, nonce 2 + 32, attributes 1, HMAC 2 + 32, size of the digest 2.
const DIGEST_OFFSET: usize = 93;

/// What the proxy does to messages.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    None,
    FlipCommandByte(usize),
    FlipResponseByteFromEnd(usize),
    AppendToResponse,
    Replay,
    AnswerRetry(usize),
}

#[derive(Debug)]
struct Proxy {
    inner: Box<dyn Transport>,
    tampering: Arc<Mutex<Tampering>>,
    last: Vec<u8>,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Transport for Proxy {
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError> {
        let mut command = command.to_vec();
        self.messages.lock().unwrap().push(command.clone());
        let mut tampering = self.tampering.lock().unwrap();
        match *tampering {
            Tampering::AnswerRetry(times) if times > 0 => {
                *tampering = Tampering::AnswerRetry(times - 1);
                return Ok(vec![0x80, 1, 0, 0, 0, 10, 0, 0, 0x09, 0x22]);
            }
            Tampering::Replay => return Ok(self.last.clone()),
            Tampering::FlipCommandByte(at) => {
                // A command that is too short to have this byte passes unchanged. It is the flush
                // that follows the changed command.
                if let Some(byte) = command.get_mut(at) {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        let mut response = self.inner.transact(&command, deadline)?;
        self.last.clone_from(&response);
        self.messages.lock().unwrap().push(response.clone());
        if let Tampering::FlipResponseByteFromEnd(at) = *tampering {
            let place = response.len() - 1 - at;
            response[place] ^= 1;
        }
        if matches!(*tampering, Tampering::AppendToResponse) {
            response.push(0);
            let size = u32::try_from(response.len()).unwrap().to_be_bytes();
            response[2..6].copy_from_slice(&size);
        }
        Ok(response)
    }
}

/// A client of a real swtpm, with a proxy between the two.
struct TamperedTpm {
    tpm: Tpm,
    tampering: Arc<Mutex<Tampering>>,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl TamperedTpm {
    fn new(swtpm: &Swtpm) -> Self {
        let tampering = Arc::new(Mutex::new(Tampering::None));
        let messages = Arc::default();
        let proxy = Proxy {
            inner: swtpm.connect(),
            tampering: Arc::clone(&tampering),
            last: Vec::new(),
            messages: Arc::clone(&messages),
        };
        let at_once = RetryPolicy {
            repetitions: 3,
            first_pause: std::time::Duration::ZERO,
            longest_pause: std::time::Duration::ZERO,
        };
        let tpm = Tpm::new(Box::new(proxy), Box::new(OsRandom)).with_retry_policy(at_once);
        Self { tpm, tampering, messages }
    }

    fn tamper(&self, tampering: Tampering) {
        *self.tampering.lock().unwrap() = tampering;
    }

    /// Whether any command or response contained these bytes.
    fn was_sent(&self, needle: &[u8]) -> bool {
        let messages = self.messages.lock().unwrap();
        messages.iter().any(|message| message.windows(needle.len()).any(|window| window == needle))
    }
}

#[test]
fn a_changed_response_is_noticed_and_ends_the_session() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    // From the end of the response: the last and the first byte of the HMAC, the attributes, the
    // nonce, and s of the signature.
    for at in [0, 31, 34, 40, 75] {
        tampered.tamper(Tampering::None);
        let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
        tampered.tamper(Tampering::FlipResponseByteFromEnd(at));
        let error = keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap_err();
        assert_eq!(error.reason(), "tpm_response_authentication", "byte {at}");
        tampered.tamper(Tampering::None);
        let after = keys.sign(&mut tampered.tpm, &DIGEST, soon());
        assert!(matches!(after, Err(Error::SessionUnusable)));
        assert!(!keys.session.is_usable());
        tampered.tpm.flush_everything(soon()).unwrap();
    }
}

#[test]
fn a_replayed_response_is_noticed() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
    keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap();
    tampered.tamper(Tampering::Replay);
    let error = keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_response_authentication");
}

#[test]
fn a_changed_command_is_refused_by_the_tpm() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
    tampered.tamper(Tampering::FlipCommandByte(DIGEST_OFFSET));
    let error = keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Authorization));
    tampered.tamper(Tampering::None);
    let signature = keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap();
    assert!(keys.verifies(&DIGEST, signature));
}

#[test]
fn the_digest_and_the_secret_are_never_sent_unencrypted() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let mut keys = Keys::make(&mut tampered.tpm, &[0x77; 32], soon());
    keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap();
    assert!(tampered.was_sent(keys.created.private.as_bytes()), "the search works");
    assert!(!tampered.was_sent(&DIGEST[..8]));
    assert!(!tampered.was_sent(&[0x77; 8]));
}

#[test]
fn an_activated_secret_is_never_sent_unencrypted() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let tpm = &mut tampered.tpm;
    let mut keys = Keys::make(tpm, &[], soon());
    let ak = attestation_key(tpm, 1);
    let ek = tpm.create_endorsement_key(EndorsementTemplate::EccP384, soon()).unwrap();
    let secret = *b"one-use secret of thirty-two byt";
    let made = OwnedCredential::from_tpm2_tools(&swtpm, &secret, &ek.public, &ak.object.name);
    let opened = activate(tpm, &mut keys.session, &ak.object, &ek, &made).unwrap();
    assert_eq!(*opened, secret);
    assert!(tampered.was_sent(&made.encrypted_secret), "the search works");
    assert!(!tampered.was_sent(&secret[..8]));
    assert!(!tampered.was_sent(&made.blob[2..10]));
}

#[test]
fn every_authorization_in_a_response_is_checked() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let flip = Tampering::FlipResponseByteFromEnd;
    // From the end of the response, the 5 bytes of the password's entry: the sizes of its HMAC and
    // of its nonce. Then the session's entry: the last and the first byte of the HMAC, the
    // attributes, the nonce. Then s of the attestation key's signature.
    for (tampering, reason) in [
        (Tampering::AppendToResponse, "tpm_malformed"),
        (flip(0), "tpm_malformed"),
        (flip(1), "tpm_malformed"),
        (flip(3), "tpm_malformed"),
        (flip(4), "tpm_malformed"),
        (flip(5), "tpm_response_authentication"),
        (flip(36), "tpm_response_authentication"),
        (flip(39), "tpm_response_authentication"),
        (flip(45), "tpm_response_authentication"),
        (flip(80), "tpm_response_authentication"),
    ] {
        tampered.tamper(Tampering::None);
        let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
        let ak = attestation_key(&mut tampered.tpm, 1);
        tampered.tamper(tampering);
        let key = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
        let certified = tampered.tpm.certify(&mut keys.session, key, &ak.object, &DIGEST, soon());
        assert_eq!(certified.unwrap_err().reason(), reason, "{tampering:?}");
        assert!(!keys.session.is_usable());
        tampered.tamper(Tampering::None);
        tampered.tpm.flush_everything(soon()).unwrap();
    }
}

#[test]
fn a_statement_about_something_else_is_refused() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let ak = attestation_key(&mut tampered.tpm, 1);
    let mut certify = || {
        let key = &ak.object;
        tampered.tpm.certify_creation(key, key, &ak.evidence, &DIGEST, soon())
    };
    let said = certify().unwrap();
    // From the end of the response: password 5 bytes, signature 72, creation hash 32 with its size
    // 2, Name 34 with its size 2, firmware 8, clock 17, then the qualifying data.
    let (hash, name, data) = (5 + 72, 5 + 72 + 34, 5 + 72 + 34 + 36 + 8 + 17);
    for at in [hash, name, data] {
        *tampered.tampering.lock().unwrap() = Tampering::FlipResponseByteFromEnd(at);
        let error = certify().unwrap_err();
        assert_eq!(error.reason(), "tpm_unexpected_attestation", "byte {at}");
    }
    *tampered.tampering.lock().unwrap() = Tampering::None;
    assert_eq!(certify().unwrap().attest.attested, said.attest.attested);
}

#[test]
fn objects_of_rejected_responses_are_flushed() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
    let attestation = EccP256Template::attestation_key();
    // Byte 0 from the end of the response is in the size of the password's HMAC. Byte 5 is the last
    // byte of the Name, before the 5 bytes of the password's entry. In the command the template
    // starts at offset 35, and byte 40 holds the attribute `restricted`.
    for (tampering, reason) in [
        (Tampering::FlipResponseByteFromEnd(0), "tpm_malformed"),
        (Tampering::AppendToResponse, "tpm_malformed"),
        (Tampering::FlipResponseByteFromEnd(5), "tpm_name_mismatch"),
        (Tampering::FlipCommandByte(40), "tpm_unexpected_key"),
    ] {
        tampered.tamper(tampering);
        let made = tampered.tpm.create_primary(Hierarchy::Endorsement, &attestation, &[], soon());
        assert_eq!(made.unwrap_err().reason(), reason, "{tampering:?}");
    }
    // First a changed byte at the start of the policy, then the replayed response for another
    // endorsement key.
    for (before, tampering) in [
        (EndorsementTemplate::EccP256, Tampering::FlipCommandByte(45)),
        (EndorsementTemplate::EccP384, Tampering::Replay),
    ] {
        tampered.tamper(Tampering::None);
        let made = tampered.tpm.create_endorsement_key(before, soon()).unwrap();
        tampered.tamper(tampering);
        let other = tampered.tpm.create_endorsement_key(EndorsementTemplate::EccP256, soon());
        assert_eq!(other.unwrap_err().reason(), "tpm_unexpected_key", "{tampering:?}");
        tampered.tamper(Tampering::None);
        tampered.tpm.flush(made.object.handle, soon()).unwrap();
    }
    let parent = authorized_parent(&keys.parent);
    let (private, public) = (&keys.created.private, &keys.created.public);
    tampered.tamper(Tampering::FlipResponseByteFromEnd(0));
    let loaded = tampered.tpm.load(&mut keys.session, parent, private, public, soon());
    assert_eq!(loaded.unwrap_err().reason(), "tpm_response_authentication");
    tampered.tamper(Tampering::None);
    let loaded = tampered.tpm.handles(HandleRange::Transient, soon()).unwrap();
    assert_eq!(loaded, [keys.loaded.handle]);
}

#[test]
fn a_public_area_that_does_not_match_its_name_is_refused() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let keys = Keys::make(&mut tampered.tpm, &[], soon());
    drop(keys);
    // From the end of the response to ReadPublic: the qualified Name (36 bytes), then the last byte
    // of the Name.
    tampered.tamper(Tampering::FlipResponseByteFromEnd(36));
    let error = tampered.tpm.read_public(Handle::STORAGE_ROOT_KEY, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_name_mismatch");
}

#[test]
fn a_command_is_repeated_as_often_as_the_policy_says() {
    let swtpm = Swtpm::start();
    let mut tampered = TamperedTpm::new(&swtpm);
    let mut keys = Keys::make(&mut tampered.tpm, &[], soon());
    tampered.tamper(Tampering::AnswerRetry(3));
    keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap();
    tampered.tamper(Tampering::AnswerRetry(4));
    let error = keys.sign(&mut tampered.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Retry));
    tampered.tamper(Tampering::None);
    let parent = authorized_parent(&keys.parent);
    let (private, public) = (&keys.created.private, &keys.created.public);
    tampered.tpm.load(&mut keys.session, parent, private, public, soon()).unwrap();
}
