//! The class and the hardening on real processes of real users: service 61001, client 61002.
//! Neither needs an account. Must be run by root; a test that is not fails.
//!
//! This binary has a main of its own, because a service hardens itself before its second thread,
//! and a test of the standard harness is one. The tests run it again, in the roles of [`roles`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "without the standard harness, nothing here is marked as a test"
)]

mod attacks;
mod conditions;
mod hardening;
mod keys;
mod roles;
mod runner;
mod scene;
mod service;
mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(first) if first == roles::MARK => roles::play(&arguments.collect::<Vec<_>>()),
        first => runner::run(
            &[keys::TESTS, conditions::TESTS, hardening::TESTS, attacks::TESTS].concat(),
            first.into_iter().chain(arguments),
        ),
    }
}
