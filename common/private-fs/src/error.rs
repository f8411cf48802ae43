//! Why a private folder or file could not be used.

use std::{fmt, io, path::PathBuf};

use rustix::io::Errno;
use thiserror::Error;

/// Why a private folder or file could not be used.
///
/// Every variant carries the absolute path, so that a person can be told what happened, why, and
/// the cure: for [`WrongMode`](Self::WrongMode), `chmod EXPECTED PATH`. Match on the variant or on
/// [`reason`](Self::reason); the prose may change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrivateFsError {
    /// The path of a folder does not end in a name (`/`, `..`, or nothing at all).
    #[error("{} does not end in the name of a folder", path.display())]
    InvalidPath {
        /// The path as given.
        path: PathBuf,
    },
    /// There is nothing under this name.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// What was looked for.
        path: PathBuf,
    },
    /// The name is taken; nothing was changed.
    #[error("{} already exists", path.display())]
    AlreadyExists {
        /// What was to be created.
        path: PathBuf,
    },
    /// Another live holder, in this process or another, has the lease or is writing the file.
    #[error("{} is held by a running process", path.display())]
    Held {
        /// The lease, or the file being written.
        path: PathBuf,
    },
    /// A symbolic link stands where a file or folder of our own is expected.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The file has more than one name (hard links), so it can be reached from elsewhere.
    #[error("{} has more than one hard link", path.display())]
    Linked {
        /// The name by which it was opened.
        path: PathBuf,
    },
    /// Something other than a folder.
    #[error("{} is not a folder", path.display())]
    NotDirectory {
        /// What was opened.
        path: PathBuf,
    },
    /// Something other than a regular file: a folder, FIFO, socket or device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// What was opened.
        path: PathBuf,
    },
    /// It belongs to someone else.
    #[error("{} belongs to user {found}, expected user {expected}", path.display())]
    WrongOwner {
        /// What was opened.
        path: PathBuf,
        /// The user id of its owner.
        found: u32,
        /// The effective user id of this process.
        expected: u32,
    },
    /// Group or others have some access, or the owner lacks some.
    #[error("{} has mode {found:04o}, expected {expected:04o}", path.display())]
    WrongMode {
        /// What was opened.
        path: PathBuf,
        /// Its permission bits, with set-user-id, set-group-id and sticky (`07777`).
        found: u32,
        /// The bits it should have: `0700` for a folder, `0600` for a file.
        expected: u32,
    },
    /// The file is larger than the caller takes.
    #[error("{} has {found} bytes, at most {max} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The largest size the caller takes, in bytes.
        max: usize,
    },
    /// The operating system refused: for instance `EACCES`, `EROFS`, `ENOSPC`, `EMFILE`.
    #[error("could not {operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: Operation,
        /// With which file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
}

/// What was being done when the operating system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Resolving the folders above.
    Resolve,
    /// Opening.
    Open,
    /// Reading owner, mode and type.
    Inspect,
    /// Finding out whether the folder can be written and searched.
    Access,
    /// Creating.
    Create,
    /// Setting the mode of what was just created.
    SetMode,
    /// Taking the lock.
    Lock,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Waiting until it is on stable storage (`fsync`).
    Sync,
    /// Giving the complete file its final name.
    Publish,
    /// Removing the name.
    Remove,
    /// Listing the entries.
    List,
}

impl PrivateFsError {
    /// A stable code for this kind of failure, for programs to match.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidPath { .. } => "invalid_path",
            Self::NotFound { .. } => "not_found",
            Self::AlreadyExists { .. } => "already_exists",
            Self::Held { .. } => "held",
            Self::SymbolicLink { .. } => "symbolic_link",
            Self::Linked { .. } => "linked",
            Self::NotDirectory { .. } => "not_directory",
            Self::NotRegular { .. } => "not_regular",
            Self::WrongOwner { .. } => "wrong_owner",
            Self::WrongMode { .. } => "wrong_mode",
            Self::TooLarge { .. } => "too_large",
            Self::Io { .. } => "io",
        }
    }

    /// For `map_err`: the errno of `operation` on `path`.
    pub(crate) fn io(operation: Operation, path: PathBuf) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Io { operation, path, source: errno.into() }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Resolve => "resolve",
            Self::Open => "open",
            Self::Inspect => "inspect",
            Self::Access => "get write access to",
            Self::Create => "create",
            Self::SetMode => "set the mode of",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Publish => "give the final name to",
            Self::Remove => "remove",
            Self::List => "list",
        })
    }
}
