use std::{fmt, str::FromStr};

use device_key_types::{
    AccountUserId, ClientId, DeviceKeyId, ProtectionClass, PublicKey, UnixTime, UnknownName,
};
use device_key_verifier::attestation::VerifiedKind;

/// A device that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The name of its key.
    pub key_id: DeviceKeyId,
    /// Whose it is.
    pub account_user_id: AccountUserId,
    /// For which client.
    pub client_id: ClientId,
    /// What its statements are verified with.
    pub public_key: PublicKey,
    /// What the client says that protects the key: a claim.
    pub protection_class: ProtectionClass,
    /// What was verified about that.
    pub verified_kind: DeviceKind,
    /// When it was enrolled.
    pub enrolled_at: UnixTime,
    /// Since when it is no device any more.
    pub revoked_at: Option<UnixTime>,
}

/// What was verified about the place of a device's key, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// Inside a TPM that its maker vouches for.
    HardwareTpm,
    /// Inside a TPM of a hypervisor, whose state can be copied by who runs it.
    VirtualTpm,
    /// Inside a simulator, which protects nothing.
    SimulatedTpm,
    /// Nothing was verified.
    Unattested,
}

impl DeviceKind {
    /// Every kind, the most trusted first.
    pub const ALL: [Self; 4] =
        [Self::HardwareTpm, Self::VirtualTpm, Self::SimulatedTpm, Self::Unattested];

    /// The kind as named on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardwareTpm => "hardware_tpm",
            Self::VirtualTpm => "virtual_tpm",
            Self::SimulatedTpm => "simulated_tpm",
            Self::Unattested => "unattested",
        }
    }
}

impl From<&VerifiedKind> for DeviceKind {
    /// Forgets which make of TPM it is.
    fn from(kind: &VerifiedKind) -> Self {
        match kind {
            VerifiedKind::HardwareTpm(_) => Self::HardwareTpm,
            VerifiedKind::VirtualTpm(_) => Self::VirtualTpm,
            VerifiedKind::SimulatedTpm(_) => Self::SimulatedTpm,
            VerifiedKind::Unattested => Self::Unattested,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeviceKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}
