//! The app-server over in-process connections, on parts in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod attestation;
mod audit;
mod client;
mod handshake;
mod host_methods;
mod lifecycle;
mod malformed;
mod slow_provider;
mod vectors;
