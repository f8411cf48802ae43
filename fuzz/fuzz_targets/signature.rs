//! Fuzzes the parser of `TPMT_SIGNATURE`.
#![no_main]

use device_key_tpm2::EcdsaSignature;
use device_key_types::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signature) = EcdsaSignature::from_tpmt(bytes) {
        assert_eq!(EcdsaSignature::from_tpmt(&signature.to_tpmt()), Ok(signature));
        let _ = Signature::from_scalars(signature.r, signature.s);
    }
});
