//! What a hardened process can still reach.

use std::path::PathBuf;

/// The files, devices and sockets that a hardened process can still use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardening {
    pub(super) network: Network,
    pub(super) read: Vec<PathBuf>,
    pub(super) read_write: Vec<PathBuf>,
    pub(super) devices: Vec<PathBuf>,
}

/// Which sockets the process may still make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Unix sockets.
    UnixOnly,
    /// TCP and UDP as well, for a WebSocket listener or an exporter.
    Internet,
}

impl Hardening {
    /// No files but the process's own `/proc/self` and what gives random bytes.
    pub const fn new(network: Network) -> Self {
        Self { network, read: Vec::new(), read_write: Vec::new(), devices: Vec::new() }
    }

    /// With a file, or everything in a folder, to read. It must exist when hardening begins, as
    /// with the two below.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// With a file, or everything in a folder, to read, write, make and remove: state, and the
    /// folders of sockets.
    #[must_use]
    pub fn read_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.read_write.push(path.into());
        self
    }

    /// With a device to talk to: a TPM.
    #[must_use]
    pub fn device(mut self, path: impl Into<PathBuf>) -> Self {
        self.devices.push(path.into());
        self
    }
}
