//! A small test harness: it runs under `cargo test` and can filter tests by name.

use std::panic;
use std::process::ExitCode;

/// The name of a test and its function.
pub(crate) type Test = (&'static str, fn());

/// Flags of the standard harness that take a value. They have no effect here.
const FLAGS_WITH_VALUE: [&str; 5] =
    ["--skip", "--test-threads", "--color", "--format", "--logfile"];

/// Runs every test whose name contains one of the filters, or all tests if there are no filters.
/// The only flag that has an effect is `--list`.
pub(crate) fn run(tests: &[Test], mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (mut filters, mut only_names) = (Vec::new(), false);
    while let Some(word) = arguments.next() {
        if FLAGS_WITH_VALUE.contains(&word.as_str()) {
            arguments.next();
        } else if word == "--list" {
            only_names = true;
        } else if !word.starts_with('-') {
            filters.push(word);
        }
    }
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let mut failed = Vec::new();
    for (name, test) in tests.iter().filter(|(name, _)| is_wanted(name)) {
        if only_names {
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
