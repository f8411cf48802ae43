use std::fmt;

use device_key_types::attestation::Claim;

use super::{RootKind, tpm_attributes::TpmAttributes};

/// What protects a key, as far as the backend could verify it. Never a yes or no: what a backend
/// accepts is its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedKind {
    /// A TPM in hardware or firmware: the key cannot leave it.
    HardwareTpm(TpmDescription),
    /// A cloud's or hypervisor's TPM: the key can be copied with the whole TPM by who runs it.
    VirtualTpm(TpmDescription),
    /// A simulator: nothing is protected.
    SimulatedTpm(TpmDescription),
    /// Nothing was verified. No function here gives it; it is the backend's word for a key that it
    /// accepts without an attestation.
    Unattested,
}

impl VerifiedKind {
    pub(super) const fn new(root: RootKind, description: TpmDescription) -> Self {
        match root {
            RootKind::Hardware => Self::HardwareTpm(description),
            RootKind::Virtual => Self::VirtualTpm(description),
            RootKind::Simulated => Self::SimulatedTpm(description),
        }
    }

    /// The stable code.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::HardwareTpm(_) => "hardware_tpm",
            Self::VirtualTpm(_) => "virtual_tpm",
            Self::SimulatedTpm(_) => "simulated_tpm",
            Self::Unattested => "unattested",
        }
    }

    /// The TPM, if one was verified.
    pub const fn tpm(&self) -> Option<&TpmDescription> {
        match self {
            Self::HardwareTpm(tpm) | Self::VirtualTpm(tpm) | Self::SimulatedTpm(tpm) => Some(tpm),
            Self::Unattested => None,
        }
    }
}

impl fmt::Display for VerifiedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which make of TPM. Only a verification makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmDescription {
    attributes: TpmAttributes,
    firmware_version: u64,
}

impl TpmDescription {
    pub(super) const fn new(attributes: TpmAttributes, firmware_version: u64) -> Self {
        Self { attributes, firmware_version }
    }

    /// The maker, as the certificate has it: `id:` and eight hexadecimal digits, four bytes of the
    /// "TCG Vendor ID Registry", such as `id:49465800` for Infineon.
    pub fn manufacturer(&self) -> &str {
        &self.attributes.manufacturer
    }

    /// The maker's name of the model, as the certificate has it: 1 to 64 bytes.
    pub fn model(&self) -> &str {
        &self.attributes.model
    }

    /// The version when the certificate was issued, mostly `id:` and hexadecimal digits: 1 to 64
    /// bytes.
    pub fn version(&self) -> &str {
        &self.attributes.version
    }

    /// The firmware version when the key was attested, in the maker's own numbering
    /// (`TPMS_ATTEST.firmwareVersion`).
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }
}

/// A device key that was seen in a TPM. Only
/// [`VerifiedIdentity::verify_activation`](super::VerifiedIdentity::verify_activation) makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the verification is of use only to who acts on it"]
pub struct VerifiedKey {
    claim: Claim,
    kind: VerifiedKind,
}

impl VerifiedKey {
    pub(super) const fn new(claim: Claim, kind: VerifiedKind) -> Self {
        Self { claim, kind }
    }

    /// The challenge that was answered, and the key.
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// What protects the key.
    pub const fn kind(&self) -> &VerifiedKind {
        &self.kind
    }
}
