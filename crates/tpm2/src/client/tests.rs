use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::random::{OsRandom, RandomError};
use crate::storage_key;
use crate::structures::EccP256Template;
use crate::transport::TransportError;

type Sent = Arc<Mutex<Vec<u32>>>;

/// Answers with what it was given, then is gone. Keeps the command codes.
#[derive(Debug)]
struct Scripted {
    answers: VecDeque<Vec<u8>>,
    sent: Sent,
}

impl Transport for Scripted {
    fn transact(&mut self, command: &[u8], _: Instant) -> Result<Vec<u8>, TransportError> {
        let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
        self.sent.lock().unwrap().push(code);
        self.answers.pop_front().ok_or(TransportError::Disconnected)
    }
}

fn scripted(answers: &[Vec<u8>]) -> (Tpm, Sent) {
    let sent = Sent::default();
    let transport = Scripted { answers: answers.iter().cloned().collect(), sent: sent.clone() };
    (Tpm::new(Box::new(transport), Box::new(OsRandom)), sent)
}

fn refusal(code: u32) -> Vec<u8> {
    let mut response = vec![0x80, 1, 0, 0, 0, 10];
    response.extend_from_slice(&code.to_be_bytes());
    response
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn a_second_startup_is_a_success() {
    assert!(scripted(&[refusal(0x100)]).0.startup(soon()).is_ok());
    let error = scripted(&[refusal(0x101)]).0.startup(soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_failure");
}

#[test]
fn only_a_handle_that_is_surely_empty_leads_to_a_new_key() {
    let read_public = CommandCode::ReadPublic.value();
    let create_primary = CommandCode::CreatePrimary.value();
    for answer in [
        refusal(0x101),
        refusal(0x100),
        refusal(0x184),
        refusal(0x1cb),
        refusal(0x921),
        refusal(0x902),
        refusal(0x923),
        vec![],
        vec![0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0],
        vec![0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0xff, 0xff],
        vec![0x80, 2, 0, 0, 0, 10, 0, 0, 0, 0],
    ] {
        let (mut tpm, sent) = scripted(std::slice::from_ref(&answer));
        storage_key::provision(&mut tpm, soon()).unwrap_err();
        assert_eq!(*sent.lock().unwrap(), [read_public], "{answer:x?}");
    }
    let (mut tpm, sent) = scripted(&[]);
    let error = storage_key::provision(&mut tpm, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_disconnected");
    assert_eq!(*sent.lock().unwrap(), [read_public]);

    let (mut tpm, sent) = scripted(&[refusal(0x18b)]);
    storage_key::provision(&mut tpm, soon()).unwrap_err();
    assert_eq!(*sent.lock().unwrap(), [read_public, create_primary]);
}

#[test]
fn a_pause_that_passes_the_deadline_is_not_begun() {
    let (tpm, sent) = scripted(&[refusal(0x922), refusal(0x922)]);
    let hour = Duration::from_hours(1);
    let mut tpm = tpm.with_retry_policy(RetryPolicy {
        repetitions: 9,
        first_pause: hour,
        longest_pause: hour,
    });
    let error = tpm.get_random(1, soon()).unwrap_err();
    assert_eq!(error.class(), Some(ResponseClass::Retry));
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[test]
fn other_warnings_are_not_repeated() {
    let (mut tpm, sent) = scripted(&[refusal(0x921), refusal(0x921)]);
    let error = tpm.get_random(1, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_lockout");
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[test]
fn without_randomness_no_session_is_started() {
    struct Nothing;
    impl RandomSource for Nothing {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }
    let (mut tpm, sent) = scripted(&[]);
    tpm.random = Box::new(Nothing);
    let key = p256::SecretKey::from_slice(&[5; 32]).unwrap().public_key();
    let template = EccP256Template::storage_root_key();
    let public = crate::EccP256Public::new(template, key.into()).unwrap();
    let error = tpm.start_session(Handle::STORAGE_ROOT_KEY, &public, soon()).unwrap_err();
    assert_eq!(error.reason(), "random_unavailable");
    assert!(sent.lock().unwrap().is_empty());
}

#[test]
fn more_random_bytes_than_asked_for_are_malformed() {
    let long = vec![0x80, 1, 0, 0, 0, 14, 0, 0, 0, 0, 0, 2, 1, 2];
    let error = scripted(&[long]).0.get_random(1, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_malformed");
}
