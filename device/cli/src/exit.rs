//! The exit codes of the command, and the failures that it prints.

use std::fmt;
use std::process::ExitCode;

/// How the command ends. docs/command-line.md documents the codes. Code 2 is also `clap`'s code for
/// wrong usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success. For the app-server: the input ended and every request was answered.
    Success,
    /// A check of `doctor` failed, or `demo` had an unexpected outcome.
    NotAsExpected,
    /// The service answered a request with an error.
    Refused,
    /// An argument names a file or a value that cannot be used.
    Usage,
    /// The home folder or the state in it cannot be used.
    StateUnusable,
    /// Standard input or output failed, or the connection to the service failed.
    TransportFailed,
    /// The operating system refused something that every command needs.
    System,
    /// No service listens on the socket.
    NoService,
    /// The process that listens on the socket is not a service that this user trusts.
    UntrustedService,
    /// The configuration file is wrong, or other users could change it.
    ConfigurationUnusable,
    /// A second signal arrived while the app-server was stopping after the first.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::NotAsExpected | Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::StateUnusable => 3,
            Exit::TransportFailed => 4,
            Exit::System => 5,
            Exit::NoService => 6,
            Exit::UntrustedService => 7,
            Exit::ConfigurationUnusable => 8,
            // 128 plus the number of SIGINT, which is what shells report for such a program.
            Exit::Interrupted => 130,
        })
    }
}

/// Why the command could not do its work: what happened, why, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) cause: String,
    pub(crate) fix: Option<String>,
}

impl Failure {
    pub(crate) fn system(what: &str, cause: &dyn fmt::Display) -> Self {
        Self { exit: Exit::System, what: what.to_owned(), cause: cause.to_string(), fix: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device-key: {}: {}", self.what, self.cause)?;
        match &self.fix {
            Some(fix) => write!(f, "\n  fix: {fix}"),
            None => Ok(()),
        }
    }
}
