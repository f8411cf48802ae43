use std::time::Duration;

/// How much and how long. The defaults are those of the command.
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
    /// How often it is looked whether a device with an open connection was revoked. With what the
    /// look takes it bounds how long a revoked device stays connected to other processes.
    pub revocation_interval: Duration,
    /// How long open connections may go unchecked where the store does not answer. Then they are
    /// closed: a device that another process has revoked meanwhile must not stay.
    pub unchecked_at_most: Duration,
    /// How often expired challenges are removed.
    pub removal_interval: Duration,
    /// HTTP connections at a time. Others wait in the kernel's queue.
    pub http_connections: u16,
    /// Open device connections at a time. Others are answered 503.
    pub device_connections: u16,
    /// How long a request may take, half of it for its body, and how long a connection may lie idle.
    pub request_deadline: Duration,
    /// How long a device may leave what we write unread before its connection is dropped.
    pub stall_deadline: Duration,
    /// How long a device has to hear why its connection is closed. It adds to how long a revoked one
    /// stays connected.
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
