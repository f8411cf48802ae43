//! Tests of the client on a transport that gives scripted answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::storage_key;
use crate::structures::{EccP256Public, EccP256Template};
use crate::transport::TransportError;
use device_key_types::{OsRandom, RandomUnavailable};

type Sent = Arc<Mutex<Vec<u32>>>;

/// A transport that gives the scripted answers in order and then fails as disconnected. It records
/// the command codes that it was sent.
#[derive(Debug)]
struct ScriptedTransport {
    answers: VecDeque<Vec<u8>>,
    sent: Sent,
}

impl Transport for ScriptedTransport {
    fn transact(&mut self, command: &[u8], _: Instant) -> Result<Vec<u8>, TransportError> {
        let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
        self.sent.lock().unwrap().push(code);
        self.answers.pop_front().ok_or(TransportError::Disconnected)
    }
}

fn scripted(answers: &[Vec<u8>]) -> (Tpm, Sent) {
    let sent = Sent::default();
    let transport =
        ScriptedTransport { answers: answers.iter().cloned().collect(), sent: sent.clone() };
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
fn a_new_key_is_made_only_if_the_tpm_says_that_the_handle_is_empty() {
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
fn a_pause_that_would_pass_the_deadline_is_not_started() {
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
fn a_command_is_not_repeated_after_other_warnings() {
    let (mut tpm, sent) = scripted(&[refusal(0x921), refusal(0x921)]);
    let error = tpm.get_random(1, soon()).unwrap_err();
    assert_eq!(error.reason(), "tpm_lockout");
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[test]
fn without_randomness_no_session_is_started() {
    struct FailingRandom;
    impl RandomSource for FailingRandom {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
            Err(RandomUnavailable)
        }
    }
    let (mut tpm, sent) = scripted(&[]);
    tpm.random = Box::new(FailingRandom);
    let key = p256::SecretKey::from_slice(&[5; 32]).unwrap().public_key();
    let template = EccP256Template::storage_root_key();
    let public = EccP256Public::new(template, key.into()).unwrap();
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

/// A successful response to a command without authorization.
fn success(parameters: &[u8]) -> Vec<u8> {
    framed(0x8001, parameters)
}

/// A successful response to a command with the empty password.
fn after_password(parameters: &[u8]) -> Vec<u8> {
    let size = u32::try_from(parameters.len()).unwrap().to_be_bytes();
    framed(0x8002, &[&size, parameters, &[0, 0, 1, 0, 0]].concat())
}

fn framed(tag: u16, rest: &[u8]) -> Vec<u8> {
    let size = u32::try_from(10 + rest.len()).unwrap().to_be_bytes();
    [&tag.to_be_bytes()[..], &size, &[0; 4], rest].concat()
}

/// The parameters that `TPM2_NV_ReadPublic` returns for an index with 8 bytes of data and the
/// attributes `AUTHREAD` and `WRITTEN`.
fn nv_public(index: u32) -> Vec<u8> {
    let area = [&index.to_be_bytes()[..], &[0, 0x0b, 0x20, 0x04, 0, 0, 0, 0, 0, 8]].concat();
    let name = Name::sha256(&area);
    [&[0, 14][..], &area, &[0, 34], name.as_bytes()].concat()
}

#[test]
fn the_public_area_of_an_nv_index_must_match_the_requested_index() {
    let index = Handle::new(0x01C0_000A);
    let read = |answer: Vec<u8>| scripted(&[success(&answer)]).0.nv_read_public(index, soon());
    assert_eq!(read(nv_public(0x01C0_000A)).unwrap().index, index);
    assert_eq!(read(nv_public(0x01C0_000B)).unwrap_err().reason(), "tpm_malformed");
    let mut renamed = nv_public(0x01C0_000A);
    *renamed.last_mut().unwrap() ^= 1;
    assert_eq!(read(renamed).unwrap_err().reason(), "tpm_name_mismatch");
}

#[test]
fn nv_data_is_read_in_pieces_of_the_requested_size() {
    let index = Handle::new(0x01C0_000A);
    let property = |property: u32, value: u32| {
        let numbers = [6, 1, property, value].map(u32::to_be_bytes).concat();
        success(&[&[0], &numbers[..]].concat())
    };
    let piece = |data: &[u8]| {
        let size = u16::try_from(data.len()).unwrap().to_be_bytes();
        after_password(&[&size, data].concat())
    };
    let read = |answers: &[Vec<u8>]| {
        let public = success(&nv_public(0x01C0_000A));
        let (mut tpm, sent) = scripted(&[std::slice::from_ref(&public), answers].concat());
        let public = tpm.nv_read_public(index, soon()).unwrap();
        let data = tpm.nv_read(&public, soon());
        (data, sent.lock().unwrap().len() - 2)
    };
    // TPM_PT_NV_BUFFER_MAX is 5 bytes, or it is missing (the next property is returned instead), or
    // it is 0.
    let (data, pieces) = read(&[property(0x12C, 5), piece(b"abcde"), piece(b"fgh")]);
    assert_eq!((data.unwrap().as_slice(), pieces), (&b"abcdefgh"[..], 2));
    for unknown in [property(0x12D, 5), property(0x12C, 0)] {
        let (data, pieces) = read(&[unknown, piece(b"abcdefgh")]);
        assert_eq!((data.unwrap().as_slice(), pieces), (&b"abcdefgh"[..], 1));
    }
    for wrong in [&b"abcd"[..], b"abcdef", b""] {
        let (data, _) = read(&[property(0x12C, 5), piece(wrong)]);
        assert_eq!(data.unwrap_err().reason(), "tpm_malformed");
    }
}
