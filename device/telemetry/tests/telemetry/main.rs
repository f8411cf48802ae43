//! Telemetry as its readers get it: on a program's standard error, and on a collector's socket.
//!
//! A subscriber is global, and environment variables belong to a process. Each test therefore runs
//! an ignored test of this binary in a child process, which serves requests with the real
//! app-server. The collector listens on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod child;
mod collector;
mod disabled;
mod export;
mod logs;
mod outage;
mod serving;
mod stalled;
