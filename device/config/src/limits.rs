//! The `[limits]` table: how much work the service accepts at the same time.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A whole number from 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<const MAX: u32>(u32);

/// A number is not in the range from 1 to its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} is not a number from 1 to {max}")]
pub struct OutOfRange {
    /// The number.
    pub found: i64,
    /// The largest number that is allowed.
    pub max: u32,
}

/// How much work the service accepts at the same time, and how long it waits.
///
/// The upper bounds limit memory and descriptors to what a service can have. The lower bound is 1,
/// because the service could not work with 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// The number of connections of one user at the same time: 1 to 4096, default 64.
    pub connections_per_user: Limit<4096>,
    /// The number of connections of all users at the same time: 1 to 16384, default 512.
    pub connections: Limit<16384>,
    /// The number of operations of one user that wait for providers: 1 to 65536, default 128.
    pub waiting_per_user: Limit<65536>,
    /// The number of operations that wait for one provider: 1 to 65536, default 1024.
    pub waiting_per_provider: Limit<65536>,
    /// The number of unanswered requests of one connection: 1 to 65536, default 512.
    pub requests_per_connection: Limit<65536>,
    /// The number of keys of one user: 1 to 1000000, default 1000.
    pub keys_per_user: Limit<1_000_000>,
    operation_seconds: Limit<3600>,
    drain_seconds: Limit<3600>,
    stall_seconds: Limit<3600>,
    #[serde(deserialize_with = "some")]
    idle_exit_seconds: Option<Limit<86_400>>,
}

impl LimitSettings {
    /// How long an operation may take, including its wait: 1 s to 1 h, default 90 s.
    pub fn operation(&self) -> Duration {
        self.operation_seconds.seconds()
    }

    /// How long requests in flight may still take when the service stops: 1 s to 1 h, default 10 s.
    pub fn drain(&self) -> Duration {
        self.drain_seconds.seconds()
    }

    /// How long a service that systemd starts for its first client stays without a client before it
    /// ends: 1 s to 1 day. By default it stays.
    pub fn idle_exit(&self) -> Option<Duration> {
        self.idle_exit_seconds.map(Limit::seconds)
    }

    /// How long a client may leave its answers unread: 1 s to 1 h, default 10 s.
    pub fn stall(&self) -> Duration {
        self.stall_seconds.seconds()
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections_per_user: Limit(64),
            connections: Limit(512),
            waiting_per_user: Limit(128),
            waiting_per_provider: Limit(1024),
            requests_per_connection: Limit(512),
            keys_per_user: Limit(1000),
            operation_seconds: Limit(90),
            drain_seconds: Limit(10),
            stall_seconds: Limit(10),
            idle_exit_seconds: None,
        }
    }
}

impl<const MAX: u32> Limit<MAX> {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, for lengths and counts in memory.
    pub fn as_count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn seconds(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl<const MAX: u32> TryFrom<i64> for Limit<MAX> {
    type Error = OutOfRange;

    fn try_from(found: i64) -> Result<Self, OutOfRange> {
        match u32::try_from(found) {
            Ok(number) if (1..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(OutOfRange { found, max: MAX }),
        }
    }
}

impl<const MAX: u32> fmt::Display for Limit<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const MAX: u32> Deserialize<'de> for Limit<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
