//! Fuzzes the parser of `TPMS_CREATION_DATA`.
#![no_main]

use device_key_tpm2::CreationData;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(data) = CreationData::parse(bytes) {
        assert_eq!(data.as_bytes(), bytes);
        let _ = data.hierarchy();
    }
});
