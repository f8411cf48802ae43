//! The names of device keys.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Reason, encoding};

const PREFIX: &str = "dk_";

/// The name of a device key: `dk_` and 43 characters, the unpadded base64url of 32 random bytes.
///
/// A key id says nothing about protection class or provider. Because it has one spelling and a
/// closed alphabet, it is safe as a file name and as a database key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKeyId([u8; 32]);

impl DeviceKeyId {
    /// Makes a key id of 32 bytes, which must come from a cryptographically secure generator.
    pub const fn from_random_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for DeviceKeyId {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        text.strip_prefix(PREFIX)
            .and_then(encoding::array_from_base64url)
            .map(Self)
            .ok_or(Reason::InvalidKeyId)
    }
}

impl fmt::Display for DeviceKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", encoding::to_base64url(&self.0))
    }
}

impl fmt::Debug for DeviceKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKeyId({self})")
    }
}

impl Serialize for DeviceKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
