use std::{fmt, str::FromStr};

use device_key_types::{Reason, TargetPath, payload::Statement};

use super::endpoint;

/// The part of a backend's path in front of its remote-control endpoints, such as `/api/codex`.
///
/// One or more plain segments, each behind a slash: no query, no escape, no empty, `.` or `..`
/// segment, no slash at the end. It is a [`TargetPath`] below which every endpoint is one too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix(Box<str>);

/// A text that is not a [`PathPrefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path prefix is one or more segments of letters, digits, - . _ ~, each behind a slash, such \
     as /api/codex, without a slash at the end"
)]
pub struct InvalidPathPrefix;

impl PathPrefix {
    /// The prefix's text, which begins with a slash and does not end with one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The endpoint of a statement behind this prefix. It is a path whatever the prefix.
    pub fn endpoint(&self, statement: Statement) -> Result<TargetPath, Reason> {
        format!("{self}{}", endpoint(statement)).parse()
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPathPrefix> {
        let invalid = |_: Reason| InvalidPathPrefix;
        text.parse::<TargetPath>().map_err(invalid)?;
        // The longest endpoint must fit behind it, or a key there could never be attested.
        let longest = format!("{text}{}", endpoint(Statement::Attestation));
        longest.parse::<TargetPath>().map_err(invalid)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
