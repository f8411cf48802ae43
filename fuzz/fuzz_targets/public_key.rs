//! Fuzzes the parser of a device key's `SubjectPublicKeyInfo`.
#![no_main]

use device_key_verifier::ProofKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = ProofKey::from_spki_der(bytes) {
        assert_eq!(key.public_key().spki_der(), bytes);
    }
});
