//! The devices that a store keeps.

use std::fmt;
use std::str::FromStr;

use device_key_types::{
    AccountUserId, ClientId, DeviceKeyId, ProtectionClass, PublicKey, UnixTime, UnknownName,
};
use device_key_verifier::attestation::VerifiedKind;

/// An enrolled device, which may be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The id of the device's key.
    pub key_id: DeviceKeyId,
    /// The account that enrolled the device.
    pub account_user_id: AccountUserId,
    /// The client that the device was enrolled for.
    pub client_id: ClientId,
    /// The public key that verifies the device's statements.
    pub public_key: PublicKey,
    /// The protection class that the client claimed. Nobody verified it.
    pub protection_class: ProtectionClass,
    /// What the relying party verified about the protection of the key.
    pub verified_kind: DeviceKind,
    /// When the device was enrolled.
    pub enrolled_at: UnixTime,
    /// When the device was revoked, or `None` if it was not.
    pub revoked_at: Option<UnixTime>,
}

/// What the relying party verified about the protection of a device's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// The key is in a TPM that its manufacturer vouches for.
    HardwareTpm,
    /// The key is in a TPM of a hypervisor. Whoever runs the hypervisor can copy the TPM's state.
    VirtualTpm,
    /// The key is in a simulator, which protects nothing.
    SimulatedTpm,
    /// Nothing was verified.
    Unattested,
}

impl DeviceKind {
    /// Every kind, the most trusted first.
    pub const ALL: [Self; 4] =
        [Self::HardwareTpm, Self::VirtualTpm, Self::SimulatedTpm, Self::Unattested];

    /// The name of the kind on the wire and in the store.
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
    /// Keeps the kind and drops the description of the TPM.
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
