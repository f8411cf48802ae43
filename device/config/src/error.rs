use std::{fmt, io, path::PathBuf};

use crate::place::{key_at, line_and_column};

/// The text of a configuration that is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The dotted path of the key, where the text can be read that far: `limits.connections`.
    pub key: Option<String>,
    /// What is wrong, for people.
    pub message: String,
}

impl InvalidConfig {
    pub(crate) fn locate(text: &str, error: &toml::de::Error) -> Self {
        let byte = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, byte);
        Self { line, column, key: key_at(text, byte), message: error.message().to_owned() }
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidConfig {}

/// Why a configuration file is not used. None of these is passed over: what the operator wanted is
/// not known then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have written what it says, or could lead us to another file.
    #[error("{} {mistrust}", path.display())]
    Untrusted {
        /// The file, or the folder above it.
        path: PathBuf,
        /// What is the matter with it.
        mistrust: Mistrust,
    },
    /// The operating system refused.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file, or the folder above it.
        path: PathBuf,
        /// The answer of the operating system.
        #[source]
        source: io::Error,
    },
    /// It is not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// What it says is not a configuration.
    #[error("{}, {invalid}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        invalid: InvalidConfig,
    },
}

/// Why a file, or a folder above it, is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// A link leads to another place, whose folders are not those that were checked.
    #[error("is a symbolic link, which is not followed")]
    SymbolicLink,
    /// A folder, FIFO, socket or device.
    #[error("is not a regular file")]
    NotRegular,
    /// It can be reached, and so changed, by another name.
    #[error("has more than one hard link")]
    Linked,
    /// It belongs neither to root nor to the user of this process.
    #[error("belongs to user {found}, who is neither root nor the user of this process")]
    Owner {
        /// The user id of its owner.
        found: u32,
    },
    /// Group or others may write.
    #[error("has mode {found:04o}: others may change it")]
    Writable {
        /// Its permission bits (`07777`).
        found: u32,
    },
    /// No configuration is that large.
    #[error("has {found} bytes, which is too large for a configuration")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
    },
}

impl ConfigError {
    /// A stable code for this kind of failure, for programs to match.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Untrusted { mistrust, .. } => mistrust.reason(),
            Self::Unreadable { .. } => "unreadable",
            Self::NotText { .. } => "not_text",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// What to do about it.
    pub fn cure(&self) -> String {
        match self {
            Self::NotFound { path } => {
                format!("write '{}', or name another file", path.display())
            }
            Self::Untrusted { path, mistrust } => mistrust.cure(&path.display()),
            Self::Unreadable { path, .. } => {
                format!("make '{}' readable for the user of this process", path.display())
            }
            Self::NotText { path } => format!("save '{}' as UTF-8", path.display()),
            Self::Invalid { path, .. } => format!("correct '{}' there", path.display()),
        }
    }
}

impl Mistrust {
    /// A stable code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SymbolicLink => "symbolic_link",
            Self::NotRegular => "not_regular",
            Self::Linked => "linked",
            Self::Owner { .. } => "wrong_owner",
            Self::Writable { .. } => "writable_by_others",
            Self::TooLarge { .. } => "too_large",
        }
    }

    fn cure(self, path: &dyn fmt::Display) -> String {
        match self {
            Self::SymbolicLink => {
                format!("name the file by the path that '{path}' leads to, with --config")
            }
            Self::NotRegular => format!("put a file in the place of '{path}'"),
            Self::Linked => format!("replace '{path}' by a copy of itself"),
            Self::Owner { .. } => format!("see what it says, then: chown root '{path}'"),
            Self::Writable { .. } => format!("see what it says, then: chmod go-w '{path}'"),
            Self::TooLarge { .. } => format!("shorten '{path}'"),
        }
    }
}
