//! The limits of the relying party.

use std::time::Duration;

/// Quotas, intervals and deadlines of a relying party. The command sets only `challenge_seconds`
/// and otherwise uses the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingPartyLimits {
    /// How long a challenge or a connection token can be answered, in seconds. Devices sign nothing
    /// that lasts longer than [`device_key_types::MAX_LIFETIME_SECONDS`].
    pub challenge_seconds: u16,
    /// Open enrollment challenges that an account may have.
    pub enrollments_per_account: u32,
    /// Unused connection tokens that an account may have.
    pub connections_per_account: u32,
    /// Devices that an account may have.
    pub devices_per_account: u32,
    /// How often the store is asked whether a device with an open connection was revoked. A device
    /// that another process revokes stays connected for this interval at most, plus the time that
    /// the query takes.
    pub revocation_interval: Duration,
    /// How long connections stay open while the store does not answer. Then they are closed,
    /// because another process may have revoked a device in the meantime.
    pub unchecked_at_most: Duration,
    /// How often expired challenges are removed.
    pub removal_interval: Duration,
    /// The number of HTTP connections at a time. More connections wait in the kernel's queue.
    pub http_connections: u16,
    /// The number of open device connections at a time. More connections are answered with 503.
    pub device_connections: u16,
    /// How long a request may take, and how long a connection may be idle. The body of a request
    /// may take half of this time.
    pub request_deadline: Duration,
    /// How long a device may leave our messages unread before its connection is dropped.
    pub stall_deadline: Duration,
    /// How long a device has to read why its connection is closed. A revoked device may stay
    /// connected for this time longer.
    pub close_deadline: Duration,
    /// How long a stop waits for requests and connections to end.
    pub stop_deadline: Duration,
}

impl Default for RelyingPartyLimits {
    fn default() -> Self {
        Self {
            challenge_seconds: 120,
            enrollments_per_account: 8,
            connections_per_account: 64,
            devices_per_account: 64,
            revocation_interval: Duration::from_millis(250),
            unchecked_at_most: Duration::from_secs(5),
            removal_interval: Duration::from_secs(30),
            http_connections: 1024,
            device_connections: 4096,
            request_deadline: Duration::from_secs(10),
            stall_deadline: Duration::from_secs(10),
            close_deadline: Duration::from_millis(500),
            stop_deadline: Duration::from_secs(5),
        }
    }
}
