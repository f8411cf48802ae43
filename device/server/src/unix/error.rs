use std::{io, path::PathBuf};

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
    /// Something that is no socket stands there. It was left alone.
    #[error("{} is there and is no socket", path.display())]
    NotSocket {
        /// The path.
        path: PathBuf,
    },
    /// The path names no file in a folder.
    #[error("{} is no path of a socket", path.display())]
    InvalidPath {
        /// The path.
        path: PathBuf,
    },
    /// Others could put another socket in its place.
    #[error(
        "the folder {} has owner {owner} and mode {mode:04o}: others could replace a socket in it",
        path.display()
    )]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The socket that was handed over listens to nobody.
    #[error("the socket does not listen")]
    NotListening,
    /// The operating system refused.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was to be done.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The socket cannot be listened on.
    #[error("cannot listen")]
    Listen {
        /// The answer of the operating system.
        source: io::Error,
    },
}
