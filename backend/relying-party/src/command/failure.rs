//! The error that ends the command.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use device_key_types::ErrorChain;

/// Why the command failed: what happened, the cause, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    cause: String,
    code: u8,
}

impl Failure {
    /// The command cannot do its work. The exit code is 1.
    pub(crate) fn of(what: &str, cause: &(dyn Error + 'static)) -> Self {
        Self { what: what.to_owned(), cause: ErrorChain(cause).to_string(), code: 1 }
    }

    /// The arguments are wrong in a way that the parser cannot see. The exit code is 2, as for the
    /// parser's own errors.
    pub(crate) fn usage(what: &str, cause: &(dyn Error + 'static)) -> Self {
        Self { code: 2, ..Self::of(what, cause) }
    }

    pub(crate) fn code(&self) -> ExitCode {
        self.code.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device-key-relying-party: {}: {}", self.what, self.cause)
    }
}
