//! A name from a list to which newer versions may add names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that this version knows, or the text of a name that only a newer peer knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Name<T> {
    /// A name that this version knows.
    Known(T),
    /// A name that this version does not know, as the peer spelled it.
    Unknown(String),
}

impl<T: Copy> Name<T> {
    /// The value, if this version knows the name.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(*value),
            Self::Unknown(_) => None,
        }
    }
}

impl<T> From<T> for Name<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: fmt::Display> fmt::Display for Name<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}
