//! Fuzzes what a TPM answers to each command. The input is cut into responses at every 0xff 0xff.
#![no_main]

use std::time::{Duration, Instant};

use device_key_tpm2::{Handle, HandleRange, Tpm, Transport, TransportError};
use device_key_types::OsRandom;
use libfuzzer_sys::fuzz_target;

/// A TPM that answers with the fuzzer's bytes.
#[derive(Debug)]
struct Script(Vec<Vec<u8>>);

impl Transport for Script {
    fn transact(&mut self, _: &[u8], _: Instant) -> Result<Vec<u8>, TransportError> {
        self.0.pop().ok_or(TransportError::Disconnected)
    }
}

fn tpm(bytes: &[u8]) -> Tpm {
    let mut responses: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|pair| pair == [0xff, 0xff]) {
        responses.push(rest[..end].to_vec());
        rest = &rest[end + 2..];
    }
    responses.push(rest.to_vec());
    responses.reverse();
    Tpm::new(Box::new(Script(responses)), Box::new(OsRandom))
}

fuzz_target!(|bytes: &[u8]| {
    let deadline = Instant::now() + Duration::from_secs(1);
    let handle = Handle::new(0x8100_0001);
    let _ = tpm(bytes).properties(deadline);
    let _ = tpm(bytes).handles(HandleRange::Persistent, deadline);
    let _ = tpm(bytes).get_random(32, deadline);
    let _ = tpm(bytes).read_public(handle, deadline);
    let _ = tpm(bytes).nv_read_public(handle, deadline);
    let _ = tpm(bytes).start_policy_session(deadline);
    let _ = tpm(bytes).startup(deadline);
    let _ = tpm(bytes).flush_everything(deadline);
});
