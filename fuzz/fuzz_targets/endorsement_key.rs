//! `TPMT_PUBLIC` of an endorsement key, and a credential for it.
#![no_main]

use device_key_types::{RandomSource, RandomUnavailable};
use device_key_verifier::attestation::{EndorsementPublic, make_credential};
use libfuzzer_sys::fuzz_target;

struct Ones;

impl RandomSource for Ones {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(1);
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(public) = EndorsementPublic::parse(bytes) {
        assert_eq!(public.as_bytes(), bytes);
        let _ = make_credential(&public, &public.name(), &[0; 32], &Ones);
    }
});
