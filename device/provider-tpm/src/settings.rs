//! Which TPM is used, and how.

use std::time::Duration;

use device_key_tpm2::TpmAddress;

/// Which TPM is used, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmSettings {
    /// The address of the TPM.
    pub address: TpmAddress,
    /// Whether a simulator is accepted. The keys of a simulator stay marked as simulated.
    pub allow_simulated: bool,
    /// How long one operation may take, including the wait for the TPM. The default is 15 s,
    /// because slow discrete TPMs need some seconds to create a key, and another program may be
    /// using the device.
    pub deadline: Duration,
}

impl TpmSettings {
    /// Makes settings for a TPM at this address that do not accept a simulator, with the default
    /// deadline.
    pub const fn at(address: TpmAddress) -> Self {
        Self { address, allow_simulated: false, deadline: Duration::from_secs(15) }
    }

    /// Whether the address alone shows that the TPM is a simulator. `unix:` always leads to a
    /// simulator. For a device, the properties that the TPM reports decide.
    pub(crate) const fn is_surely_simulated(&self) -> bool {
        matches!(self.address, TpmAddress::Unix(_))
    }

    /// Whether the kernel shares the device among programs, and cleans up after each program.
    pub(crate) fn has_resource_manager(&self) -> bool {
        match &self.address {
            TpmAddress::Device(path) => path
                .as_path()
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"tpmrm")),
            TpmAddress::Unix(_) => false,
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        match &self.address {
            TpmAddress::Device(path) => path.as_path().exists(),
            TpmAddress::Unix(path) => path.as_path().exists(),
        }
    }
}
