//! As much of a test harness as is needed here: `cargo test` and a filter by name.

use std::panic;
use std::process::ExitCode;

/// A name and what it runs.
pub(crate) type Test = (&'static str, fn());

/// Flags of the standard harness that are followed by a word. They have no effect here.
const WITH_A_WORD: [&str; 5] = ["--skip", "--test-threads", "--color", "--format", "--logfile"];

/// Runs every test whose name holds one of the filters, or all. Of the flags, `--list` has an
/// effect.
pub(crate) fn run(tests: &[Test], mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (mut filters, mut only_names) = (Vec::new(), false);
    while let Some(word) = arguments.next() {
        if WITH_A_WORD.contains(&word.as_str()) {
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
