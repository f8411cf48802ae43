//! Tests of the service over real TCP connections, on both stores, with keys in software.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod attestation;
mod client;
mod connection;
mod device;
mod enrollment;
mod process;
mod requests;
mod revocation;
mod server;
mod store;
