//! Why a configuration text or file is not used.

use std::path::PathBuf;
use std::{fmt, io};

use device_key_private_fs::trusted::{Mistrust, TrustError};

use crate::text_position::{key_at, line_and_column};

/// A text that is not a valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The dotted path of the key, such as `limits.connections`, if the text can be read that far.
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

/// Why a configuration file is not used. The service does not start without it, because what the
/// operator wanted is not known.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have written the file, or could lead us to another file.
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

impl ConfigError {
    /// A stable code for this kind of failure, for programs to match.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Untrusted { mistrust, .. } => reason_of(*mistrust),
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
            Self::Untrusted { path, mistrust } => cure_of(*mistrust, &path.display()),
            Self::Unreadable { path, .. } => {
                format!("make '{}' readable for the user of this process", path.display())
            }
            Self::NotText { path } => format!("save '{}' as UTF-8", path.display()),
            Self::Invalid { path, .. } => format!("correct '{}' there", path.display()),
        }
    }
}

impl From<TrustError> for ConfigError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Untrusted { path, mistrust } => Self::Untrusted { path, mistrust },
            TrustError::Io { path, source } => Self::Unreadable { path, source },
        }
    }
}

const fn reason_of(mistrust: Mistrust) -> &'static str {
    match mistrust {
        Mistrust::SymbolicLink => "symbolic_link",
        Mistrust::NotRegular => "not_regular",
        Mistrust::Linked => "linked",
        Mistrust::Owner { .. } => "wrong_owner",
        Mistrust::Mode { .. } => "writable_by_others",
        Mistrust::TooLarge { .. } => "too_large",
    }
}

fn cure_of(mistrust: Mistrust, path: &dyn fmt::Display) -> String {
    match mistrust {
        Mistrust::SymbolicLink => {
            format!("name the file by the path that '{path}' leads to, with --config")
        }
        Mistrust::NotRegular => format!("put a file in the place of '{path}'"),
        Mistrust::Linked => format!("replace '{path}' by a copy of itself"),
        Mistrust::Owner { .. } => format!("see what it says, then: chown root '{path}'"),
        Mistrust::Mode { .. } => format!("see what it says, then: chmod go-w '{path}'"),
        Mistrust::TooLarge { .. } => format!("shorten '{path}'"),
    }
}
