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
mod settings;
mod sweep;
mod table;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use device_key_telemetry::last_words;

use crate::args::Command;

/// How long a failure waits for the reader of standard error.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments = args::Arguments::of_process();
    let outcome = match arguments.command {
        Command::AppServer(server) => app_server::run(&server),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Demo(demo) => demo::run(&demo),
        Command::Keys(command) => commands::run(&command),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // A parent that does not read must not keep the program from ending.
            last_words(&format!("{failure}\n"), PATIENCE);
            failure.exit.into()
        }
    }
}
