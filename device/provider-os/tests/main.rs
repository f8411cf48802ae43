//! Tests the protection class and the hardening with real processes of two users: the service is
//! user 61001 and the client is user 61002. Neither user needs an account. The tests fail unless
//! root runs them.
//!
//! This binary has its own main function, because a service must harden itself before it starts a
//! second thread, and the standard harness runs each test in a second thread. The tests start this
//! binary again in the roles of [`roles`].
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
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(first) if first == roles::MARK => roles::play(&arguments.collect::<Vec<_>>()),
        first => runner::run(
            &[keys::TESTS, conditions::TESTS, verdict::TESTS, hardening::TESTS, attacks::TESTS]
                .concat(),
            first.into_iter().chain(arguments),
        ),
    }
}
