//! Why a WebSocket listener cannot be opened.

use std::io;
use std::net::SocketAddr;

/// Why a WebSocket listener cannot be opened. Programs match the variant or
/// [`reason`](Self::reason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// Another socket listens on the address.
    #[error("{address} is in use")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The operating system refuses: this machine does not have the address, or the process may not
    /// use the port.
    #[error("cannot listen on {address}")]
    Unavailable {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Other machines could reach the address, and no token is configured.
    #[error("{address} is not a loopback address, so a token is required")]
    TokenRequired {
        /// The address asked for.
        address: SocketAddr,
    },
}

impl WebSocketError {
    /// A stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AddressInUse { .. } => "address_in_use",
            Self::Unavailable { .. } => "address_unavailable",
            Self::TokenRequired { .. } => "token_required",
        }
    }
}
