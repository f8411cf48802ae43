//! As much of a test harness as is needed here: `cargo test` and a filter by name.

use std::{panic, process::ExitCode};

/// A name and what it runs.
pub(crate) type Test = (&'static str, fn());

/// Runs every test whose name holds one of the filters, or all. Flags of the standard harness are
/// taken and have no effect, but for `--list`.
pub(crate) fn run(tests: &[Test], arguments: impl Iterator<Item = String>) -> ExitCode {
    let (flags, filters): (Vec<_>, Vec<_>) = arguments.partition(|word| word.starts_with('-'));
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let mut failed = Vec::new();
    for (name, test) in tests.iter().filter(|(name, _)| is_wanted(name)) {
        if flags.iter().any(|flag| flag == "--list") {
            println!("{name}: test");
            continue;
        }
        let passed = panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::from(101)
}
