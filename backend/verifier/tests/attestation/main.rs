//! Tests of attestations, as a backend receives them. The evidence comes from a TPM in software, in
//! which each part can be made wrong, and from a real swtpm.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod activation;
mod authority;
mod certificate_fields;
mod certificate_path;
mod credential;
mod der;
mod example;
mod identity;
mod reason_codes;
mod relay;
mod revocation;
mod software_tpm;
mod swtpm;
mod tpm_structures;
mod trust_roots;
