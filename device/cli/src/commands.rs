//! The commands that use keys. Each command makes one request of the protocol and shows the result
//! as a table or as JSON.

pub(crate) mod admin;
mod attest;
mod calendar;
mod create;
mod delete;
mod json_file;
mod key;
mod list;
mod providers;
mod public;
mod sign;

use device_key_client::Received;

use crate::args::KeyCommand;
use crate::exit::{Exit, Failure};
use crate::report::print;

/// A result as JSON and as a table.
struct Shown {
    /// The JSON that the service answered, unchanged, without a line end.
    json: String,
    /// The lines for people, each with its line end.
    table: String,
}

impl Shown {
    fn new<T>(result: &Received<T>, table: String) -> Self {
        Self { json: result.json().to_owned(), table }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &KeyCommand) -> Result<Exit, Failure> {
    let (shown, connection) = match command {
        KeyCommand::Create(arguments) => (create::run(arguments)?, &arguments.connection),
        KeyCommand::Public(arguments) => (public::run(arguments)?, &arguments.connection),
        KeyCommand::Sign(arguments) => (sign::run(arguments)?, &arguments.connection),
        KeyCommand::Attest(arguments) => (attest::run(arguments)?, &arguments.connection),
        KeyCommand::List(arguments) => (list::run(arguments)?, &arguments.connection),
        KeyCommand::Delete(arguments) => (delete::run(arguments)?, &arguments.connection),
        KeyCommand::Providers(arguments) => (providers::run(arguments)?, &arguments.connection),
    };
    let text = if connection.json { shown.json + "\n" } else { shown.table };
    print(&text).map(|()| Exit::Success)
}
