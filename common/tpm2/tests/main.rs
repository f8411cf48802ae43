//! Tests against a real swtpm, and against stand-ins that behave as badly as a TPM can. swtpm and
//! tpm2-tools must be installed; without them the tests fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod attestation;
mod common;
mod deadlines;
mod device_keys;
mod nv;
mod storage_root_key;
mod tampering;
