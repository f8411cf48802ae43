//! Fuzzes the parser of `TPMS_ATTEST`.
#![no_main]

use device_key_tpm2::Attest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(attest) = Attest::parse(bytes) {
        assert_eq!(attest.as_bytes(), bytes);
    }
});
