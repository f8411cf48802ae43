//! The addresses at which the service listens.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use device_key_types::{InvalidPath, UnixSocketPath};

/// An address at which the service listens.
///
/// `unix://` means the default socket of a system service or of a user service.
/// `unix:///ABSOLUTE/PATH` means the Unix socket at this path. `ws://IP:PORT` means WebSocket on a
/// literal address. Host names are not resolved, and escapes are not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// The default Unix socket: [`UnixSocketPath::of_system`] or
    /// [`UnixSocketPath::of_user`].
    DefaultUnix,
    /// The Unix socket at this path.
    Unix(UnixSocketPath),
    /// WebSocket on this address. Port 0 means any free port.
    WebSocket(SocketAddr),
}

/// Why a text is not a [`ListenAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListenAddress {
    /// The text begins with neither `unix://` nor `ws://`.
    #[error("a listen address must be unix://, unix:///PATH or ws://IP:PORT")]
    Scheme,
    /// The text after `unix://` is not a path for a socket.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The text after `ws://` is not a literal address and a port in their canonical spelling.
    #[error(
        "ws:// must be followed by a literal IP address and a port, such as 127.0.0.1:7777 or [::1]:7777"
    )]
    SocketAddress,
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(if path.is_empty() { Self::DefaultUnix } else { Self::Unix(path.parse()?) });
        }
        let address = text.strip_prefix("ws://").ok_or(InvalidListenAddress::Scheme)?;
        match address.parse::<SocketAddr>() {
            Ok(parsed) if parsed.to_string() == address => Ok(Self::WebSocket(parsed)),
            _ => Err(InvalidListenAddress::SocketAddress),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultUnix => f.write_str("unix://"),
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::WebSocket(address) => write!(f, "ws://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_addresses_are_read_and_written_back() {
        for text in [
            "unix://",
            "unix:///run/device-key/device-key.sock",
            "ws://127.0.0.1:7777",
            "ws://0.0.0.0:0",
            "ws://[::1]:7777",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        use InvalidListenAddress::{Path, Scheme, SocketAddress};
        let too_long = format!("unix:///{}", "a".repeat(107));
        for (text, expected) in [
            ("", Scheme),
            ("unix:", Scheme),
            ("unix:/run/a", Scheme),
            ("UNIX:///run/a", Scheme),
            ("/run/a", Scheme),
            ("stdio", Scheme),
            ("wss://127.0.0.1:7777", Scheme),
            ("http://127.0.0.1:7777", Scheme),
            ("unix://run/a", Path(InvalidPath::NotPlain)),
            ("unix:///", Path(InvalidPath::NotPlain)),
            ("unix:///run/../a", Path(InvalidPath::NotPlain)),
            ("unix:///run//a", Path(InvalidPath::NotPlain)),
            (&too_long, Path(InvalidPath::TooLong)),
            ("ws://", SocketAddress),
            ("ws://127.0.0.1", SocketAddress),
            ("ws://localhost:7777", SocketAddress),
            ("ws://127.0.0.1:7777/", SocketAddress),
            ("ws://127.0.0.1:07777", SocketAddress),
            ("ws://127.0.0.1:70000", SocketAddress),
            ("ws://127.1:7777", SocketAddress),
            ("ws://::1:7777", SocketAddress),
            ("ws://[0::1]:7777", SocketAddress),
            ("ws://*:7777", SocketAddress),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(expected), "{text:?}");
        }
    }
}
