//! Fuzzes the parser of the `TPMT_PUBLIC` of an attestation key or device key.
#![no_main]

use device_key_tpm2::{EccP256Public, PublicArea};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(area) = PublicArea::parse(bytes) {
        let _ = area.name();
        if let PublicArea::EccP256(public) = area {
            assert_eq!(public.as_bytes(), bytes);
            // The template and the point contain all the information in the public area.
            let again = EccP256Public::new(public.template().clone(), public.point().clone());
            assert_eq!(again.as_ref(), Ok(&*public));
        }
    }
});
