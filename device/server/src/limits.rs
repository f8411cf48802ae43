use std::time::Duration;

/// How much a server takes on at a time, beside the limits of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections of one user at a time; one more is `quota_exceeded`.
    pub connections_per_owner: usize,
    /// Connections in all at a time; one more is `overloaded`.
    pub connections: usize,
    /// Requests of one connection at work, answers that it has not read included; one more is
    /// `overloaded`.
    pub requests_per_connection: usize,
    /// Bytes of those requests; a request that does not fit is `overloaded`, unless it is alone.
    pub request_bytes_per_connection: usize,
    /// How long a client of a socket may leave its answers unread before it is disconnected. A
    /// parent that spawned the server over standard input and output may take all its time.
    pub stall: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_per_owner: 64,
            connections: 512,
            requests_per_connection: 512,
            request_bytes_per_connection: 2 << 20,
            stall: Duration::from_secs(10),
        }
    }
}
