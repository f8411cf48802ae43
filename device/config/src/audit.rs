//! What happens to an operation whose audit event finds no room in the log.

use std::fmt;
use std::str::FromStr;

/// What happens to an operation whose audit event finds no room in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The operation is refused with `overloaded`.
    Refuse,
    /// The operation runs. If there is no room after it either, its event is dropped and counted.
    Drop,
}

/// A text is not the name of a [`WhenFull`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("when_full must be refuse or drop")]
pub struct UnknownWhenFull;

impl FromStr for WhenFull {
    type Err = UnknownWhenFull;

    fn from_str(text: &str) -> Result<Self, UnknownWhenFull> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "drop" => Ok(Self::Drop),
            _ => Err(UnknownWhenFull),
        }
    }
}

impl fmt::Display for WhenFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Drop => "drop",
        })
    }
}
