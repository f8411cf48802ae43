use std::{error::Error, fmt, process::ExitCode};

use device_key_types::ErrorChain;

/// Why the command could not do its work: what happened, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    cause: String,
    code: u8,
}

impl Failure {
    /// Something that the command needs is not to be had.
    pub(crate) fn of(what: &str, cause: &(dyn Error + 'static)) -> Self {
        Self { what: what.to_owned(), cause: ErrorChain(cause).to_string(), code: 1 }
    }

    /// Arguments that will not do, found out too late for the parser. The code is the parser's.
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
