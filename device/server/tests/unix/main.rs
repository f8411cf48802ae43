//! The Unix socket: its place in the file system, its bounds, and its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod bounds;
mod client;
mod place;
mod shutdown;
mod users;
