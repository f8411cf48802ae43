//! Fuzzes the parser of an endorsement key's `TPMT_PUBLIC`, and makes a credential for the key.
#![no_main]

use device_key_types::{RandomSource, RandomUnavailable};
use device_key_verifier::attestation::{EndorsementPublic, make_credential};
use libfuzzer_sys::fuzz_target;

/// A random source that returns the same byte each time.
struct ConstantRandom;

impl RandomSource for ConstantRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(1);
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(public) = EndorsementPublic::parse(bytes) {
        assert_eq!(public.as_bytes(), bytes);
        let _ = make_credential(&public, &public.name(), &[0; 32], &ConstantRandom);
    }
});
