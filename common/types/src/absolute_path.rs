//! Absolute paths in one plain spelling, and the paths of Unix sockets.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest path of a Unix socket in bytes: `sun_path` holds 108 with its final zero (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// An absolute path in its one plain spelling: no `.`, `..` or empty part, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsolutePath(PathBuf);

/// An [`AbsolutePath`] short enough for a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixSocketPath(AbsolutePath);

/// Why a text is not an [`AbsolutePath`] or a [`UnixSocketPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Relative, `/` itself, or with a `.`, `..` or empty part or a zero byte.
    #[error("a path here is absolute and plain, such as /run/device-key/device-key.sock")]
    NotPlain,
    /// Longer than a Unix socket's path can be.
    #[error("the path of a Unix socket has at most {MAX_SOCKET_PATH} bytes")]
    TooLong,
}

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl UnixSocketPath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        self.0.as_path()
    }

    /// Where a service of the machine listens, and where its clients look first.
    pub fn of_system() -> Self {
        Self(AbsolutePath("/run/device-key/device-key.sock".into()))
    }

    /// Where a service of one user listens, given the value of `XDG_RUNTIME_DIR`. `None` if the
    /// value is not absolute, because such a value is to be ignored (XDG Base Directory
    /// Specification).
    pub fn of_user(runtime_dir: Option<&OsStr>) -> Option<Self> {
        let socket = Path::new(runtime_dir?).join("device-key/device-key.sock");
        socket.to_str()?.parse().ok()
    }
}

impl FromStr for AbsolutePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        match text.strip_prefix('/') {
            Some(parts) if parts.split('/').all(plain) => Ok(Self(text.into())),
            _ => Err(InvalidPath::NotPlain),
        }
    }
}

impl FromStr for UnixSocketPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if text.len() > MAX_SOCKET_PATH {
            return Err(InvalidPath::TooLong);
        }
        text.parse().map(Self)
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Display for UnixSocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for text in ["/a", "/run/device-key/device-key.sock", "/ä b/…"] {
            assert_eq!(text.parse::<AbsolutePath>().unwrap().to_string(), text);
            assert_eq!(text.parse::<UnixSocketPath>().unwrap().as_path(), Path::new(text));
        }
        for text in ["", "/", "a", "./a", "/a/", "//a", "/a//b", "/./a", "/a/..", "/a\0b"] {
            assert_eq!(text.parse::<AbsolutePath>(), Err(InvalidPath::NotPlain), "{text:?}");
            assert_eq!(text.parse::<UnixSocketPath>(), Err(InvalidPath::NotPlain), "{text:?}");
        }
    }

    #[test]
    fn the_usual_sockets() {
        let user = |folder: &str| UnixSocketPath::of_user(Some(OsStr::new(folder)));
        let expected = Some("/run/user/7/device-key/device-key.sock".parse().unwrap());
        assert_eq!([user("/run/user/7"), user("/run/user/7/")], [expected.clone(), expected]);
        assert_eq!([user("relative"), user(""), UnixSocketPath::of_user(None)], [None, None, None]);
        let system = UnixSocketPath::of_system();
        assert_eq!(system.to_string().parse(), Ok(system));
    }

    #[test]
    fn a_socket_has_a_short_path() {
        let longest = format!("/{}", "a".repeat(MAX_SOCKET_PATH - 1));
        assert!(longest.parse::<UnixSocketPath>().is_ok());
        let longer = format!("{longest}a");
        assert_eq!(longer.parse::<UnixSocketPath>(), Err(InvalidPath::TooLong));
        assert!(longer.parse::<AbsolutePath>().is_ok());
    }
}
