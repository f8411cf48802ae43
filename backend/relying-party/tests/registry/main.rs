//! Tests that every store fulfils the contract of [`Registry`](device_key_relying_party::Registry).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![allow(clippy::similar_names, reason = "`taken` and `token` are both the right word")]

mod conformance;
mod postgres;
mod samples;
mod sqlite;
