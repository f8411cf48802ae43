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
    /// What is wrong, as a text for people.
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

/// Why a configuration file is not used. The service then does not start, because it does not know
/// the settings that the operator wanted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that the operator named does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// Another user could have written the file, or could redirect the path to another file.
    #[error("{} {mistrust}", path.display())]
    Untrusted {
        /// The file, or the folder above it.
        path: PathBuf,
        /// Why the file or folder is not trusted.
        mistrust: Mistrust,
    },
    /// The operating system refused to read the file.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file, or the folder above it.
        path: PathBuf,
        /// The answer of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file is not UTF-8 text.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The text in the file is not a valid configuration.
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

    /// What the operator can do to fix the error.
    pub fn fix(&self) -> String {
        match self {
            Self::NotFound { path } => {
                format!("create '{}', or name another file", path.display())
            }
            Self::Untrusted { path, mistrust } => cure_of(*mistrust, &path.display()),
            Self::Unreadable { path, .. } => {
                format!("make '{}' readable for the user of this process", path.display())
            }
            Self::NotText { path } => format!("save '{}' as UTF-8", path.display()),
            Self::Invalid { path, .. } => format!("correct this line of '{}'", path.display()),
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
            format!("give --config the path that '{path}' leads to")
        }
        Mistrust::NotRegular => format!("replace '{path}' with a regular file"),
        Mistrust::Linked => format!("replace '{path}' with a copy that has only one name"),
        Mistrust::Owner { .. } => format!("check the contents, then run: chown root '{path}'"),
        Mistrust::Mode { .. } => format!("check the contents, then run: chmod go-w '{path}'"),
        Mistrust::TooLarge { .. } => format!("shorten '{path}' to at most 64 KiB"),
    }
}
