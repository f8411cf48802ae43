//! The settings of hardening: what the hardened process can still use.

use std::path::PathBuf;

/// The files, devices and sockets that a hardened process can still use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardening {
    pub(super) network: Network,
    pub(super) read: Vec<PathBuf>,
    pub(super) read_write: Vec<PathBuf>,
    pub(super) devices: Vec<PathBuf>,
}

/// The kinds of sockets that the process can still make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Only Unix sockets.
    UnixOnly,
    /// Unix, TCP and UDP sockets, for a WebSocket listener or an exporter.
    Internet,
}

impl Hardening {
    /// Allows no files except the process's own `/proc/self` and the devices of random bytes.
    pub const fn new(network: Network) -> Self {
        Self { network, read: Vec::new(), read_write: Vec::new(), devices: Vec::new() }
    }

    /// Allows reading a file, or everything in a folder. The path must exist when hardening begins.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Allows reading, writing, making and removing a file, or everything in a folder. The state
    /// folder and the folders of sockets need this access. The path must exist when hardening
    /// begins.
    #[must_use]
    pub fn read_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.read_write.push(path.into());
        self
    }

    /// Allows the use of a device, for example a TPM. The path must exist when hardening begins.
    #[must_use]
    pub fn device(mut self, path: impl Into<PathBuf>) -> Self {
        self.devices.push(path.into());
        self
    }
}
