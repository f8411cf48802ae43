//! The part of a backend's path that its operator chooses.

use std::fmt;
use std::str::FromStr;

use crate::payload::Statement;
use crate::{Reason, TargetPath};

/// The part of a backend's path in front of its remote-control endpoints, such as `/api/codex`.
///
/// A prefix is one or more plain segments, each behind a slash: no query, no escape, no empty, `.`
/// or `..` segment, no slash at the end. The prefix is a valid [`TargetPath`], and so is the prefix
/// followed by any endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix(Box<str>);

/// The text is not a [`PathPrefix`].
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

    /// The path of a statement's endpoint behind this prefix. This never fails for a parsed prefix.
    pub fn endpoint(&self, statement: Statement) -> Result<TargetPath, Reason> {
        format!("{self}{}", statement.endpoint()).parse()
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPathPrefix> {
        let invalid = |_: Reason| InvalidPathPrefix;
        text.parse::<TargetPath>().map_err(invalid)?;
        // The longest endpoint must fit behind the prefix, or a key there could never be attested.
        let longest = format!("{text}{}", Statement::Attestation.endpoint());
        longest.parse::<TargetPath>().map_err(invalid)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain_segments() {
        for text in ["/a", "/api/codex", "/a-b_c.d~e/1", "/..."] {
            assert_eq!(text.parse::<PathPrefix>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "/",
            "a",
            "a/b",
            "/a/",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/..",
            "/a/./b",
            "/a?b",
            "/a#b",
            "/a%2f",
            "/a b",
            "/ä",
            "https://a.example/a",
            "/a\0",
        ] {
            assert_eq!(text.parse::<PathPrefix>(), Err(InvalidPathPrefix), "{text:?}");
        }
    }

    /// The longest path of a statement has 512 bytes.
    #[test]
    fn the_longest_prefix_leaves_room_for_every_endpoint() {
        let longest =
            format!("/{}", "a".repeat(512 - "/remote/control/client/enroll/attestation".len() - 1));
        let prefix: PathPrefix = longest.parse().unwrap();
        for (statement, path) in [
            (Statement::Connection, "/remote/control/client"),
            (Statement::Enrollment, "/remote/control/client/enroll"),
            (Statement::Attestation, "/remote/control/client/enroll/attestation"),
        ] {
            assert_eq!(prefix.endpoint(statement).unwrap().as_str(), format!("{longest}{path}"));
        }
        assert_eq!(format!("{longest}a").parse::<PathPrefix>(), Err(InvalidPathPrefix));
    }
}
