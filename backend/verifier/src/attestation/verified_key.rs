//! What a verified attestation says about a key.

use std::fmt;

use device_key_types::attestation::Claim;

use super::tpm_attributes::TpmAttributes;
use super::trust_roots::RootKind;

/// What protects a key, as far as the backend could verify it. The verifier does not decide whether
/// the kind is good enough; which kinds a backend accepts is the backend's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedKind {
    /// A TPM in hardware or firmware. The key cannot leave the TPM.
    HardwareTpm(TpmDescription),
    /// A TPM of a cloud or a hypervisor. Whoever runs the hypervisor can copy the whole TPM with
    /// the key.
    VirtualTpm(TpmDescription),
    /// A simulated TPM, which protects nothing.
    SimulatedTpm(TpmDescription),
    /// Nothing was verified. No function of this crate returns this kind. A backend uses it for
    /// keys that it accepts without an attestation.
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

    /// The description of the TPM, if a TPM was verified.
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

/// The make of a TPM. Only a verification creates this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmDescription {
    attributes: TpmAttributes,
    firmware_version: u64,
}

impl TpmDescription {
    pub(super) const fn new(attributes: TpmAttributes, firmware_version: u64) -> Self {
        Self { attributes, firmware_version }
    }

    /// The manufacturer, as the certificate names it: `id:` and eight hexadecimal digits, which are
    /// four bytes of the "TCG Vendor ID Registry". Infineon is `id:49465800`.
    pub fn manufacturer(&self) -> &str {
        &self.attributes.manufacturer
    }

    /// The manufacturer's name of the model, as the certificate gives it: 1 to 64 bytes.
    pub fn model(&self) -> &str {
        &self.attributes.model
    }

    /// The version when the certificate was issued, 1 to 64 bytes. It is mostly `id:` and
    /// hexadecimal digits.
    pub fn version(&self) -> &str {
        &self.attributes.version
    }

    /// The firmware version when the key was attested, in the manufacturer's own numbering
    /// (`TPMS_ATTEST.firmwareVersion`).
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }
}

/// A device key that is proved to be in a TPM. Only
/// [`VerifiedIdentity::verify_activation`](super::VerifiedIdentity::verify_activation) creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a verified key has no effect until the caller acts on it"]
pub struct VerifiedKey {
    claim: Claim,
    kind: VerifiedKind,
}

impl VerifiedKey {
    pub(super) const fn new(claim: Claim, kind: VerifiedKind) -> Self {
        Self { claim, kind }
    }

    /// The challenge that the client answered, and the key.
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// What protects the key.
    pub const fn kind(&self) -> &VerifiedKind {
        &self.kind
    }
}
