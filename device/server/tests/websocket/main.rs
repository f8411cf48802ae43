//! The WebSocket listener over real TCP connections, on parts in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod access;
mod client;
mod gate;
mod limits;
mod messages;
mod probes;
mod stop;
mod token_file;
