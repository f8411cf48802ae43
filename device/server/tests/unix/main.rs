//! The Unix socket: its file, its users, its bounds, and how it stops.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod admin;
mod bounds;
mod client;
mod departure;
mod full;
mod shutdown;
mod socket_file;
mod turns;
mod users;
