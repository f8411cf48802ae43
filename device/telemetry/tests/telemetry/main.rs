//! Telemetry as whoever reads it gets it: a program's standard error, and a collector's socket.
//!
//! The harness: a subscriber is global and variables are a process's, so each test runs an ignored
//! test of this binary in a child of its own, which serves requests with the real app-server. The
//! collector is a listener on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod child;
mod collector;
mod export;
mod logs;
mod outage;
mod serving;
mod unasked;
