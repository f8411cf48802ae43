//! The `device-key` command: the app-server, a doctor, a demo, and a client of the service.
//!
//! Standard output carries only protocol messages or results. Logs go to standard error, and
//! `RUST_LOG` selects them. [`exit::Exit`] lists the exit codes.
#![forbid(unsafe_code)]

mod app_server;
mod args;
mod client;
mod commands;
mod compose;
mod demo;
mod doctor;
mod exit;
mod hardening;
mod home;
mod report;
mod rewrap;
mod settings;
mod sweep;
mod table;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use device_key_telemetry::last_words;
use rustix::process::{Resource, getrlimit};

use crate::args::Command;
use crate::exit::{Exit, Failure};

/// How long a failure waits for the reader of standard error.
const PATIENCE: Duration = Duration::from_millis(500);

/// The number of file descriptors that a command needs at least. The app-server needs 22 before
/// its first client.
const DESCRIPTORS: u64 = 32;

fn main() -> ExitCode {
    let arguments = match args::Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    match run(&arguments.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // A parent that does not read must not keep the program from ending.
            last_words(&format!("{failure}\n"), PATIENCE);
            failure.exit.into()
        }
    }
}

fn run(command: &Command) -> Result<Exit, Failure> {
    require_descriptors()?;
    match command {
        Command::AppServer(server) => app_server::run(server),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::Demo(demo) => demo::run(demo),
        Command::Rewrap(rewrap) => rewrap::run(rewrap),
        Command::Admin(admin) => commands::admin::run(admin),
        Command::Keys(command) => commands::run(command),
    }
}

/// Fails if this process may not open as many files as a command needs. Without this check, the
/// failure would come from whatever part meets the limit, and could be a panic of a library.
fn require_descriptors() -> Result<(), Failure> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < DESCRIPTORS => Err(Failure {
            fix: Some(format!("allow {DESCRIPTORS} or more: ulimit -n {DESCRIPTORS}")),
            ..Failure::system("too few files can be open", &format_args!("the limit is {limit}"))
        }),
        _ => Ok(()),
    }
}
