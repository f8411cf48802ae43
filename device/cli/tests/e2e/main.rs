//! The built `device-key` program as its users run it, on a simulated TPM (`swtpm`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod concurrency;
mod configuration;
mod crash;
mod doctor;
mod documents;
mod full_disk;
mod home;
mod keys;
mod killed;
mod locked_state;
mod log_lines;
mod ordeal;
mod other_languages;
mod peer;
mod program;
mod proof;
mod redaction;
mod relay;
mod server;
mod service;
mod service_client;
mod start_failures;
mod streams;
mod telemetry;
mod tpm_faults;
mod transport;
mod unread_log;
mod unwritable;
mod vectors;
