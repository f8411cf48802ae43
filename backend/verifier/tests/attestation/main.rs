//! Attestations, as a backend sees them: evidence of a TPM in software, of which any one part can be
//! wrong, and of a real swtpm.
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
mod identity;
mod refusals;
mod relay;
mod revocation;
mod software_tpm;
mod swtpm;
mod tpm_structures;
mod trust_roots;
