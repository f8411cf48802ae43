//! Why a private folder or file could not be used.

use std::path::PathBuf;
use std::{fmt, io};

use rustix::io::Errno;
use thiserror::Error;

/// Why a private folder or file could not be used.
///
/// Every variant carries the absolute path, so that a program can tell a person what happened, why,
/// and how to fix it: for [`WrongMode`](Self::WrongMode), `chmod EXPECTED PATH`. Match on the
/// variant or on [`reason`](Self::reason), because the text may change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrivateFsError {
    /// The path of a folder does not end in a name (`/`, `..`, or nothing at all).
    #[error("{} does not end in the name of a folder", path.display())]
    InvalidPath {
        /// The path as given.
        path: PathBuf,
    },
    /// No file or folder has this name.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The missing file or folder.
        path: PathBuf,
    },
    /// A file or folder of this name exists already. It was not changed.
    #[error("{} already exists", path.display())]
    AlreadyExists {
        /// The file that was to be created.
        path: PathBuf,
    },
    /// A live holder, in this process or another process, has the lease or is writing the file.
    #[error("{} is held by a running process", path.display())]
    Held {
        /// The lease, or the file being written.
        path: PathBuf,
    },
    /// A symbolic link is in the place of a private file or folder.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The file has more than one name (hard link), so it can be reached through another folder.
    #[error("{} has more than one hard link", path.display())]
    Linked {
        /// The name by which it was opened.
        path: PathBuf,
    },
    /// The name leads to something other than a folder.
    #[error("{} is not a folder", path.display())]
    NotDirectory {
        /// The path that was opened.
        path: PathBuf,
    },
    /// The name leads to something other than a regular file: a folder, FIFO, socket or device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The path that was opened.
        path: PathBuf,
    },
    /// The file or folder belongs to another user.
    #[error("{} belongs to user {found}, expected user {expected}", path.display())]
    WrongOwner {
        /// The path that was opened.
        path: PathBuf,
        /// The user id of the owner.
        found: u32,
        /// The effective user id of this process.
        expected: u32,
    },
    /// Group or others have some access, or the owner lacks some access.
    #[error("{} has mode {found:04o}, expected {expected:04o}", path.display())]
    WrongMode {
        /// The path that was opened.
        path: PathBuf,
        /// The permission bits that were found, with set-user-id, set-group-id and sticky
        /// (`07777`).
        found: u32,
        /// The permission bits that are expected: `0700` for a folder, `0600` for a file.
        expected: u32,
    },
    /// The file is larger than the caller accepts.
    #[error("{} has {found} bytes, at most {max} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size of the file in bytes.
        found: u64,
        /// The largest size that the caller accepts, in bytes.
        max: usize,
    },
    /// The operating system refused an operation, for instance with `EACCES`, `EROFS`, `ENOSPC` or
    /// `EMFILE`.
    #[error("could not {operation} {}: {source}", path.display())]
    Io {
        /// The operation that failed.
        operation: Operation,
        /// The file or folder of the operation.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
}

/// An operation that the operating system can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Resolving the path of the folders above.
    Resolve,
    /// Opening the file or folder.
    Open,
    /// Reading owner, mode and type.
    Inspect,
    /// Finding out whether the folder can be written and searched.
    Access,
    /// Creating.
    Create,
    /// Setting the mode of the file or folder that was just created.
    SetMode,
    /// Taking the lock.
    Lock,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Waiting until the data is on stable storage (`fsync`).
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

    /// Whether the same call may succeed in a moment, because the system was short of something or
    /// failed to read. Such an error says nothing about the folder or the file.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_transient(source))
    }

    /// Returns a function for `map_err` that turns an errno into the error of `operation` on
    /// `path`.
    pub(crate) fn io(operation: Operation, path: PathBuf) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Io { operation, path, source: errno.into() }
    }
}

/// Whether an error of the operating system says nothing about the file or folder of the call: no
/// descriptor or memory was left, a signal came, or the device failed to read.
pub fn is_transient(error: &io::Error) -> bool {
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::AGAIN, Errno::IO];
    error.raw_os_error().is_some_and(|code| passing.contains(&Errno::from_raw_os_error(code)))
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
