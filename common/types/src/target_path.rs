//! The paths of backend endpoints.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::Reason;

const MAX_BYTES: usize = 512;

/// The path of a backend endpoint: absolute, with one spelling, without query or fragment.
///
/// A segment consists of the unreserved characters of RFC 3986 section 2.3. An empty, `.` or `..`
/// segment, a percent escape and a slash at the end are refused, so two different texts never name
/// the same resource. The error is [`Reason::PathNotAllowed`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetPath(Box<str>);

impl TargetPath {
    /// The path's text, which begins with a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetPath {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let segments = text.strip_prefix('/').filter(|_| text.len() <= MAX_BYTES);
        match segments {
            Some(segments) if segments.split('/').all(is_plain_segment) => Ok(Self(text.into())),
            _ => Err(Reason::PathNotAllowed),
        }
    }
}

fn is_plain_segment(segment: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(unreserved)
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TargetPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
