//! The choice between an operation and its audit event, for a log that is full.

use std::fmt;
use std::str::FromStr;

/// Whether an operation is refused if the log has no room for its audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The operation is refused with `overloaded`.
    Refuse,
    /// The operation runs. If the log still has no room afterwards, the event is dropped and
    /// counted.
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
