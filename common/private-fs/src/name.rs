//! The name of one entry in a folder.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `NAME_MAX` of Linux, in bytes (`linux/limits.h`).
const NAME_MAX: usize = 255;

/// The bytes that the prefix `.` and the suffix `.partial` add to a name while its file is being
/// written.
const PARTIAL_AFFIXES: usize = ".".len() + ".partial".len();

/// The name of one file or folder inside a [`PrivateDir`](crate::PrivateDir).
///
/// A file name is UTF-8, has 1 to 246 bytes, contains neither `/` nor NUL, and does not begin with
/// a dot. So it is never `.`, `..` or a path, and never the temporary name `.NAME.partial` of
/// another file. Its own temporary name fits the 255 bytes that Linux file systems allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// Why a text is not a [`FileName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidFileName {
    /// The text is empty.
    #[error("a file name must not be empty")]
    Empty,
    /// The text is longer than 246 bytes.
    #[error("a file name must not exceed {} bytes", FileName::MAX_BYTES)]
    TooLong,
    /// The text begins with a dot, like `.`, `..` and the names of temporary files.
    #[error("a file name must not begin with a dot")]
    LeadingDot,
    /// The text contains `/` or NUL.
    #[error("a file name must not contain a slash or a zero byte")]
    ForbiddenByte,
}

impl FileName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = NAME_MAX - PARTIAL_AFFIXES;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the temporary file to which the contents are written first.
    pub(crate) fn partial(&self) -> String {
        format!(".{self}.partial")
    }
}

impl FromStr for FileName {
    type Err = InvalidFileName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for FileName {
    type Error = InvalidFileName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            Err(InvalidFileName::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(InvalidFileName::TooLong)
        } else if text.starts_with('.') {
            Err(InvalidFileName::LeadingDot)
        } else if text.contains(['/', '\0']) {
            Err(InvalidFileName::ForbiddenByte)
        } else {
            Ok(Self(text))
        }
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_plain_component_is_a_name() {
        for (text, reason) in [
            ("", InvalidFileName::Empty),
            (".", InvalidFileName::LeadingDot),
            ("..", InvalidFileName::LeadingDot),
            (".a.partial", InvalidFileName::LeadingDot),
            ("a/b", InvalidFileName::ForbiddenByte),
            ("a/", InvalidFileName::ForbiddenByte),
            ("/", InvalidFileName::ForbiddenByte),
            ("a\0", InvalidFileName::ForbiddenByte),
        ] {
            assert_eq!(text.parse::<FileName>(), Err(reason), "{text:?}");
        }
        assert_eq!("state.sqlite-wal".parse::<FileName>().unwrap().as_str(), "state.sqlite-wal");
    }

    #[test]
    fn the_longest_name_still_has_a_temporary_name() {
        let longest: FileName = "a".repeat(FileName::MAX_BYTES).parse().unwrap();
        assert_eq!(longest.partial().len(), NAME_MAX);
        let longer = "a".repeat(FileName::MAX_BYTES + 1).parse::<FileName>();
        assert_eq!(longer, Err(InvalidFileName::TooLong));
    }
}
