//! Somebody between us and the TPM changes bytes.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::common::attestation::{Made, activate, attestation_key};
use crate::common::keys::{Keys, under};
use crate::common::swtpm::{Connect as _, Swtpm, soon};
use device_key_tpm2::{
    AuthorizedObject, EccP256Template, EndorsementTemplate, Error, Handle, HandleRange, Hierarchy,
    OsRandom, ResponseClass, RetryPolicy, Tpm, Transport, TransportError,
};

const DIGEST: [u8; 32] = [0x5a; 32];
/// Where the digest's ciphertext is in a Sign command: header 10, handle 4, authorization size 4, session
/// handle 4, nonce 2 + 32, attributes 1, HMAC 2 + 32, size of the digest 2.
const DIGEST_OFFSET: usize = 93;

/// Changes what passes, as the test says.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Nothing,
    FlipCommandByte(usize),
    FlipResponseByteFromEnd(usize),
    AppendToResponse,
    Replay,
    AnswerRetry(usize),
}

#[derive(Debug)]
struct Proxy {
    inner: Box<dyn Transport>,
    plan: Arc<Mutex<Plan>>,
    last: Vec<u8>,
    passed: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Transport for Proxy {
    fn transact(&mut self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, TransportError> {
        let mut command = command.to_vec();
        self.passed.lock().unwrap().push(command.clone());
        let mut plan = self.plan.lock().unwrap();
        match *plan {
            Plan::AnswerRetry(times) if times > 0 => {
                *plan = Plan::AnswerRetry(times - 1);
                return Ok(vec![0x80, 1, 0, 0, 0, 10, 0, 0, 0x09, 0x22]);
            }
            Plan::Replay => return Ok(self.last.clone()),
            Plan::FlipCommandByte(at) => {
                // Shorter ones pass as they are: what is flushed after the changed one.
                if let Some(byte) = command.get_mut(at) {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        let mut response = self.inner.transact(&command, deadline)?;
        self.last = response.clone();
        self.passed.lock().unwrap().push(response.clone());
        if let Plan::FlipResponseByteFromEnd(at) = *plan {
            let place = response.len() - 1 - at;
            response[place] ^= 1;
        }
        if matches!(*plan, Plan::AppendToResponse) {
            response.push(0);
            let size = u32::try_from(response.len()).unwrap().to_be_bytes();
            response[2..6].copy_from_slice(&size);
        }
        Ok(response)
    }
}

struct Between {
    tpm: Tpm,
    plan: Arc<Mutex<Plan>>,
    passed: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Between {
    fn new(swtpm: &Swtpm) -> Self {
        let plan = Arc::new(Mutex::new(Plan::Nothing));
        let passed = Arc::default();
        let proxy = Proxy {
            inner: swtpm.connect(),
            plan: Arc::clone(&plan),
            last: Vec::new(),
            passed: Arc::clone(&passed),
        };
        let at_once = RetryPolicy {
            repetitions: 3,
            first_pause: std::time::Duration::ZERO,
            longest_pause: std::time::Duration::ZERO,
        };
        let tpm = Tpm::new(Box::new(proxy), Box::new(OsRandom)).with_retry_policy(at_once);
        Self { tpm, plan, passed }
    }

    fn plan(&self, plan: Plan) {
        *self.plan.lock().unwrap() = plan;
    }

    /// Whether these bytes were in a command or in a response.
    fn appeared(&self, needle: &[u8]) -> bool {
        let passed = self.passed.lock().unwrap();
        passed.iter().any(|message| message.windows(needle.len()).any(|window| window == needle))
    }
}

#[test]
fn a_changed_response_is_noticed_and_ends_the_session() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    // From the end: the HMAC's last and first byte, attributes, nonce, then s of the signature.
    for at in [0, 31, 34, 40, 75] {
        between.plan(Plan::Nothing);
        let mut keys = Keys::make(&mut between.tpm, &[], soon());
        between.plan(Plan::FlipResponseByteFromEnd(at));
        let error = keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap_err();
        assert_eq!(error.reason(), "tpm_response_authentication", "byte {at}");
        between.plan(Plan::Nothing);
        let after = keys.sign(&mut between.tpm, &DIGEST, soon());
        assert!(matches!(after, Err(Error::SessionUnusable)));
        assert!(!keys.session.is_usable());
        between.tpm.flush_everything(soon()).unwrap();
    }
}

#[test]
fn a_replayed_response_is_noticed() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let mut keys = Keys::make(&mut between.tpm, &[], soon());
    keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap();
    between.plan(Plan::Replay);
    let error = keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_response_authentication");
}

#[test]
fn a_changed_command_is_refused_by_the_tpm() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let mut keys = Keys::make(&mut between.tpm, &[], soon());
    between.plan(Plan::FlipCommandByte(DIGEST_OFFSET));
    let error = keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Authorization));
    between.plan(Plan::Nothing);
    let signature = keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap();
    assert!(keys.verifies(&DIGEST, signature));
}

#[test]
fn the_digest_and_the_secret_do_not_travel_in_the_clear() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let mut keys = Keys::make(&mut between.tpm, &[0x77; 32], soon());
    keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap();
    assert!(between.appeared(keys.created.private.as_bytes()), "the search works");
    assert!(!between.appeared(&DIGEST[..8]));
    assert!(!between.appeared(&[0x77; 8]));
}

#[test]
fn an_activated_secret_does_not_travel_in_the_clear() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let tpm = &mut between.tpm;
    let mut keys = Keys::make(tpm, &[], soon());
    let ak = attestation_key(tpm, 1);
    let ek = tpm.create_endorsement_key(EndorsementTemplate::EccP384, soon()).unwrap();
    let secret = *b"one-use secret of thirty-two byt";
    let made = Made::by_tool(&swtpm, &secret, &ek.public, &ak.object.name);
    let opened = activate(tpm, &mut keys.session, &ak.object, &ek, &made).unwrap();
    assert_eq!(*opened, secret);
    assert!(between.appeared(&made.encrypted_secret), "the search works");
    assert!(!between.appeared(&secret[..8]));
    assert!(!between.appeared(&made.blob[2..10]));
}

#[test]
fn every_authorization_of_a_response_is_checked() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let flip = Plan::FlipResponseByteFromEnd;
    // From the end, the password's 5 bytes: sizes of its HMAC and of its nonce. Then of the session: the HMAC's
    // last and first byte, attributes, nonce, and s of the attestation key's signature.
    for (plan, reason) in [
        (Plan::AppendToResponse, "tpm_malformed"),
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
        between.plan(Plan::Nothing);
        let mut keys = Keys::make(&mut between.tpm, &[], soon());
        let ak = attestation_key(&mut between.tpm, 1);
        between.plan(plan);
        let key = AuthorizedObject { object: &keys.loaded, auth_value: &keys.secret };
        let certified = between.tpm.certify(&mut keys.session, key, &ak.object, &DIGEST, soon());
        assert_eq!(certified.unwrap_err().reason(), reason, "{plan:?}");
        assert!(!keys.session.is_usable());
        between.plan(Plan::Nothing);
        between.tpm.flush_everything(soon()).unwrap();
    }
}

#[test]
fn a_statement_about_something_else_is_noticed() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let ak = attestation_key(&mut between.tpm, 1);
    let mut certify = || {
        let key = &ak.object;
        between.tpm.certify_creation(key, key, &ak.evidence, &DIGEST, soon())
    };
    let said = certify().unwrap();
    // From the end: password 5 bytes, signature 72, creation hash 32 with its size 2, Name 34 with its size 2,
    // firmware 8, clock 17, then the qualifying data.
    let (hash, name, data) = (5 + 72, 5 + 72 + 34, 5 + 72 + 34 + 36 + 8 + 17);
    for at in [hash, name, data] {
        *between.plan.lock().unwrap() = Plan::FlipResponseByteFromEnd(at);
        let error = certify().unwrap_err();
        assert_eq!(error.reason(), "tpm_unexpected_attestation", "byte {at}");
    }
    *between.plan.lock().unwrap() = Plan::Nothing;
    assert_eq!(certify().unwrap().attest.attested, said.attest.attested);
}

#[test]
fn what_a_response_made_is_flushed_if_it_is_not_accepted() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let mut keys = Keys::make(&mut between.tpm, &[], soon());
    let attestation = EccP256Template::attestation_key();
    // From the end: the size of the password's HMAC; then, before its 5 bytes, the Name. In the command, whose
    // template starts at 35: `restricted` in the attributes.
    for (plan, reason) in [
        (Plan::FlipResponseByteFromEnd(0), "tpm_malformed"),
        (Plan::AppendToResponse, "tpm_malformed"),
        (Plan::FlipResponseByteFromEnd(5), "tpm_name_mismatch"),
        (Plan::FlipCommandByte(40), "tpm_unexpected_key"),
    ] {
        between.plan(plan);
        let made = between.tpm.create_primary(Hierarchy::Endorsement, &attestation, &[], soon());
        assert_eq!(made.unwrap_err().reason(), reason, "{plan:?}");
    }
    // The first byte of the policy; then the response about another endorsement key.
    for (before, plan) in [
        (EndorsementTemplate::EccP256, Plan::FlipCommandByte(45)),
        (EndorsementTemplate::EccP384, Plan::Replay),
    ] {
        between.plan(Plan::Nothing);
        let made = between.tpm.create_endorsement_key(before, soon()).unwrap();
        between.plan(plan);
        let other = between.tpm.create_endorsement_key(EndorsementTemplate::EccP256, soon());
        assert_eq!(other.unwrap_err().reason(), "tpm_unexpected_key", "{plan:?}");
        between.plan(Plan::Nothing);
        between.tpm.flush(made.object.handle, soon()).unwrap();
    }
    let parent = under(&keys.parent);
    let (private, public) = (&keys.created.private, &keys.created.public);
    between.plan(Plan::FlipResponseByteFromEnd(0));
    let loaded = between.tpm.load(&mut keys.session, parent, private, public, soon());
    assert_eq!(loaded.unwrap_err().reason(), "tpm_response_authentication");
    between.plan(Plan::Nothing);
    let loaded = between.tpm.handles(HandleRange::Transient, soon()).unwrap();
    assert_eq!(loaded, [keys.loaded.handle]);
}

#[test]
fn another_public_area_than_the_name_says_is_refused() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let keys = Keys::make(&mut between.tpm, &[], soon());
    drop(keys);
    // From the end of ReadPublic's response: the qualified Name (36 bytes), then the Name's last byte.
    between.plan(Plan::FlipResponseByteFromEnd(36));
    let error = between.tpm.read_public(Handle::STORAGE_ROOT_KEY, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_name_mismatch");
}

#[test]
fn a_command_is_repeated_as_often_as_the_policy_says() {
    let swtpm = Swtpm::start();
    let mut between = Between::new(&swtpm);
    let mut keys = Keys::make(&mut between.tpm, &[], soon());
    between.plan(Plan::AnswerRetry(3));
    keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap();
    between.plan(Plan::AnswerRetry(4));
    let error = keys.sign(&mut between.tpm, &DIGEST, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Retry));
    between.plan(Plan::Nothing);
    let under = under(&keys.parent);
    let (private, public) = (&keys.created.private, &keys.created.public);
    between.tpm.load(&mut keys.session, under, private, public, soon()).unwrap();
}
