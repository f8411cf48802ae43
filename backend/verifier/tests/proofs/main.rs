//! Tests of proofs of possession, as a backend receives them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod example;
mod expectations;
mod known_faults;
mod robustness;
mod signer;
mod spellings;
mod vectors;
