use std::{io, net::SocketAddr};

/// Why a WebSocket listener cannot be had. Programs match the variant or
/// [`reason`](Self::reason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// Another socket listens there.
    #[error("{address} is in use")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The operating system gives us no listener there: no such address here, or a port that we
    /// may not have.
    #[error("cannot listen on {address}")]
    Unavailable {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Others than this machine could reach the address, and no token keeps them out.
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
