//! Why a Unix socket cannot be listened on.

use std::io;
use std::path::PathBuf;

/// Why a socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixSocketError {
    /// Another service listens there.
    #[error("another service listens on {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path names a file that is not a socket. The file was not touched.
    #[error("{} exists and is not a socket", path.display())]
    NotSocket {
        /// The path.
        path: PathBuf,
    },
    /// The path does not name a file in a folder.
    #[error("{} does not name a file in a folder", path.display())]
    InvalidPath {
        /// The path.
        path: PathBuf,
    },
    /// The folder lets other users replace the socket.
    #[error(
        "the folder {} has owner {owner} and mode {mode:04o}, so others could replace a socket in it",
        path.display()
    )]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// The folder owner's user id.
        owner: u32,
        /// The folder's permission bits.
        mode: u32,
    },
    /// The socket that was handed over does not listen.
    #[error("the socket does not listen")]
    NotListening,
    /// The operating system refused a step.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// The step, as a verb.
        step: &'static str,
        /// The path that the step was for.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// The socket cannot be listened on.
    #[error("cannot listen")]
    Listen {
        /// The answer of the operating system.
        source: io::Error,
    },
}
