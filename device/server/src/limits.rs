//! The limits of a server.

use std::time::Duration;

/// How much a server takes on at a time. The store has limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// The most connections of one user at a time. One more is refused with `quota_exceeded`.
    pub connections_per_owner: usize,
    /// The most connections in total at a time. One more is refused with `overloaded`. One of 16 is
    /// reserved for users who have no connection. If only such slots are free, an idle connection
    /// of a user with many is closed.
    pub connections: usize,
    /// The most requests of one connection that are running, or whose answers the client has not
    /// read. One more is refused with `overloaded`.
    pub requests_per_connection: usize,
    /// The most bytes of those requests. A request that does not fit is refused with `overloaded`,
    /// unless it is the only one.
    pub request_bytes_per_connection: usize,
    /// How long a client of a socket may take for the handshake before it is disconnected.
    pub handshake: Duration,
    /// How long a client of a socket may leave its answers unread before it is disconnected. A
    /// parent that spawned the server over standard input and output may take as long as it likes.
    pub stall: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_per_owner: 64,
            connections: 512,
            requests_per_connection: 512,
            request_bytes_per_connection: 2 << 20,
            handshake: Duration::from_secs(30),
            stall: Duration::from_secs(10),
        }
    }
}
