//! Developer commands, run as `cargo xtask COMMAND`. CI runs these commands too.
//!
//! The crate runs `cargo` and the built programs as child processes. In the workspace it depends
//! only on `process` and `package-trial`, which depend on no other member, so it still works while
//! the other crates do not compile.
//!
//! A command that fails because a program failed exits with the code of that program.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod deny;
mod fuzz;
mod ordeal;
mod package;
mod privilege;
mod release;
mod setup;
mod swtpm;
mod test;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use device_key_process as process;

use crate::workspace::Workspace;

/// Developer commands of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the tools that the tests and the demo need, or print how to install them.
    Setup {
        /// Only report the missing tools, and fail if any is missing.
        #[arg(long)]
        check: bool,
    },
    /// Check formatting, the rules for files, lints and documentation, and run all tests.
    Test {
        /// More arguments for `cargo test`, such as part of a test's name.
        #[arg(last = true, value_name = "ARGS")]
        arguments: Vec<String>,
    },
    /// Run one test program for at most so many seconds, as root if its tests need root. `test`
    /// makes cargo call this.
    #[command(hide = true)]
    RunTest {
        seconds: u64,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build the static binary and run its doctor and its demo, on this machine's TPM or on a
    /// simulated TPM. Then play the whole flow with a relying party, on simulated TPMs.
    Demo {
        /// Play the flow once more, with a relying party on a PostgreSQL server of its own.
        #[arg(long)]
        postgres: bool,
        /// Run on a simulated TPM, and compare the output with the transcript in this document.
        /// If they differ, rewrite the transcript and fail.
        #[arg(long, value_name = "DOCUMENT")]
        check: Option<PathBuf>,
    },
    /// Measure speed and memory and show their goals, on a simulated TPM and tmpfs. This is not a
    /// test.
    Bench {
        /// Arguments for the benchmarks, such as `--only tpm`.
        #[arg(last = true, value_name = "ARGS")]
        arguments: Vec<String>,
    },
    /// Build the Debian package around the static binary, into target/package/.
    Package {
        /// Then install, upgrade, remove and purge the package in a Debian of its own, which is
        /// downloaded once. This needs root.
        #[arg(long)]
        test: bool,
        /// Download that Debian from here instead of the mirrors that apt uses.
        #[arg(long, value_name = "URL", requires = "test")]
        mirror: Option<String>,
    },
    /// Feed inputs from libFuzzer to parsers of data that an attacker can write. CI does not run
    /// this.
    Fuzz {
        /// Only this target
        target: Option<String>,
        /// How long all targets run together
        #[arg(long, default_value_t = 13)]
        minutes: u32,
    },
    /// Cause faults again and again: kills, full disks, locks, floods, hostile lines, and a TPM
    /// that lies or does not answer. Print a table of what was tried and found.
    Ordeal {
        /// Only the faults with this in their name
        #[arg(default_value = "")]
        name: String,
        /// How long all of them take together
        #[arg(long, default_value_t = 2)]
        minutes: u32,
        /// Write the table into docs/reliability.md
        #[arg(long, conflicts_with = "name")]
        write: bool,
    },
    /// Check the dependencies: bans, licences and sources.
    Deny,
    /// Check the dependencies for published advisories. Exits with 3 if the advisory database
    /// cannot be downloaded. CI does not run this, because the result changes without a commit.
    Advisories,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            process::exit_code(&error)
        }
    }
}

fn dispatch(command: &Command) -> anyhow::Result<()> {
    let workspace = Workspace::locate;
    match command {
        Command::Setup { check: true } => setup::check(&workspace()?),
        Command::Setup { check: false } => setup::install(&workspace()?),
        Command::Test { arguments } => test::run(&workspace()?, arguments),
        Command::RunTest { seconds, program, arguments } => {
            test::root::run(Duration::from_secs(*seconds), program, arguments)
        }
        Command::Demo { postgres, check } => demo::run(&workspace()?, *postgres, check.as_deref()),
        Command::Bench { arguments } => bench::run(&workspace()?, arguments),
        Command::Package { test: false, .. } => package::run(&workspace()?),
        Command::Package { test: true, mirror } => package::test(&workspace()?, mirror.as_deref()),
        Command::Fuzz { target, minutes } => fuzz::run(&workspace()?, target.as_deref(), *minutes),
        Command::Ordeal { name, minutes, write } => {
            ordeal::run(&workspace()?, name, *minutes, *write)
        }
        Command::Deny => deny::check(&workspace()?),
        Command::Advisories => deny::advisories(&workspace()?),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn arguments_after_two_dashes_are_for_cargo_test() {
        let parsed = Arguments::parse_from(["xtask", "test", "--", "name", "--", "--nocapture"]);
        let Command::Test { arguments } = parsed.command else { panic!("{parsed:?}") };
        assert_eq!(arguments, ["name", "--", "--nocapture"]);
    }
}
