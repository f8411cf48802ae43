//! Why a request has no result.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use device_key_protocol::ErrorObject;

/// Why a request has no result. The variants are grouped by whose fault it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No service listens. Nothing was sent.
    #[error("no service listens on {tried:?}")]
    NoService {
        /// The sockets that were tried.
        tried: Vec<PathBuf>,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// A process of another user listens on the service's socket. Nothing was sent.
    #[error(
        "{} belongs to user {listener}, not to root, the service's user or this user",
        path.display()
    )]
    UntrustedListener {
        /// The socket.
        path: PathBuf,
        /// The user id of the process that listens there.
        listener: u32,
    },
    /// A system call of this process failed, or the params could not be written. Nothing was sent.
    #[error("{action}")]
    Local {
        /// What failed.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The connection ended before the answer came. The service may have carried out the request.
    #[error("the connection was lost before the answer to {method} came")]
    Lost {
        /// The request's method.
        method: String,
        /// How the connection ended.
        source: io::Error,
    },
    /// The answer did not come in time. The service may have carried out the request.
    #[error("the answer to {method} did not come within {} s", after.as_secs_f64())]
    TimedOut {
        /// The request's method.
        method: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The answer does not follow the protocol. The service may have carried out the request.
    #[error("the answer to {method} is not understood")]
    Unintelligible {
        /// The request's method.
        method: String,
        /// What is wrong with the answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service refused the request, or failed to carry it out.
    #[error("{method} was refused: {}", error.message)]
    Refused {
        /// The request's method.
        method: String,
        /// The service's reason.
        error: Box<ErrorObject>,
    },
}

impl ClientError {
    pub(crate) fn lost(method: &str, source: impl Into<io::Error>) -> Self {
        Self::Lost { method: method.to_owned(), source: source.into() }
    }

    pub(crate) fn unintelligible(
        method: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unintelligible { method: method.to_owned(), source: source.into() }
    }
}
