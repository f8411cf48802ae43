//! Fuzzes the reader of a TPM key's file. A key has one encoding.
#![no_main]

use device_key_provider_tpm::KeyFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = KeyFile::from_pem(bytes) {
        assert_eq!(file.to_pem().unwrap().as_bytes(), bytes);
    }
});
