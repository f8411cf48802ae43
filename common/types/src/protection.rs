//! Protection classes, and the facts about a TPM that are recorded with a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What keeps a private key on the device.
///
/// A class that a client reports is only a claim. A verifier with a trust root can prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProtectionClass {
    /// The key is inside a TPM 2.0.
    HardwareTpm,
    /// The key is inside Apple's Secure Enclave.
    HardwareSecureEnclave,
    /// The key is in a service with a user id of its own. This class is never hardware.
    OsProtectedNonextractable,
}

impl ProtectionClass {
    /// The class's name on the wire and in the state database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardwareTpm => "hardware_tpm",
            Self::HardwareSecureEnclave => "hardware_secure_enclave",
            Self::OsProtectedNonextractable => "os_protected_nonextractable",
        }
    }

    /// Whether the class is a hardware class.
    pub const fn is_hardware(self) -> bool {
        match self {
            Self::HardwareTpm | Self::HardwareSecureEnclave => true,
            Self::OsProtectedNonextractable => false,
        }
    }
}

impl fmt::Display for ProtectionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProtectionClass {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::HardwareTpm, Self::HardwareSecureEnclave, Self::OsProtectedNonextractable]
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// The classes that the caller of `create` accepts. A key never changes its class afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionPolicy {
    /// Only hardware classes.
    #[default]
    HardwareOnly,
    /// Hardware classes first, then the OS-protected class.
    AllowOsProtectedNonextractable,
}

impl ProtectionPolicy {
    /// Whether a key of `class` satisfies the caller.
    pub const fn accepts(self, class: ProtectionClass) -> bool {
        match self {
            Self::HardwareOnly => class.is_hardware(),
            Self::AllowOsProtectedNonextractable => true,
        }
    }
}

/// The kind of TPM that made a key, as far as it is known without attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TpmKind {
    /// A chip or a firmware TPM, according to the manufacturer that the TPM reports.
    Physical,
    /// A TPM of a hypervisor or of an unknown vendor, whose state can be copied.
    Virtual,
    /// A simulator, which protects nothing.
    Simulated,
}

impl TpmKind {
    /// The kind's name in the state database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Virtual => "virtual",
            Self::Simulated => "simulated",
        }
    }
}

impl fmt::Display for TpmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TpmKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Physical, Self::Virtual, Self::Simulated]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// The text is not a name of the closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

/// The Name of the TPM object under which a key was made: the algorithm identifier and the digest
/// of the object's public area (TPM 2.0 Library, Part 1, section "Names"). The Name changes when
/// the TPM is cleared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StorageParentName(Box<[u8]>);

impl StorageParentName {
    /// Keeps a Name that was computed from a public area.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The Name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
