//! Hardens the process of a system service before the process handles a key.

use std::env;
use std::path::Path;

use device_key_private_fs::PrivateDir;
use device_key_provider_os::{
    Hardening, HardeningReport, Network, Outcome, StepReport, harden as harden_process,
};
use device_key_provider_tpm::TpmAddress;
use device_key_types::ErrorChain;
use tracing::{debug, warn};

use crate::compose;
use crate::exit::Failure;
use crate::settings::Settings;

/// The file system with information about processes, which tells who is at the other end of a
/// connection (`proc(5)`).
const PROCESSES: &str = "/proc";

/// Takes away every access that the process does not need. The process keeps access to its home
/// folder, the folders of its configuration files, the TPM, and the folders of sockets that it will
/// remove.
pub(crate) fn harden(
    settings: &Settings,
    home: &PrivateDir,
    socket_folders: &[&Path],
) -> Result<HardeningReport, Failure> {
    let exports = env::vars_os().any(|(name, _)| name.as_encoded_bytes().starts_with(b"OTEL_"));
    let network =
        if settings.has_websocket() || exports { Network::Internet } else { Network::UnixOnly };
    let mut hardening = Hardening::new(network).read(PROCESSES).read_write(home.path());
    // An editor replaces a file, so a rule for the file would not hold for the next reload.
    for file in settings.trusted_files() {
        if let Some(folder) = file.parent().filter(|folder| folder.exists()) {
            hardening = hardening.read(folder);
        }
    }
    if let Some(credentials) = env::var_os("CREDENTIALS_DIRECTORY") {
        hardening = hardening.read(credentials);
    }
    for folder in socket_folders {
        hardening = hardening.read_write(folder);
    }
    if let TpmAddress::Device(device) = compose::builder(settings).tpm_address() {
        let device: &Path = device.as_path();
        if device.exists() {
            hardening = hardening.device(device);
        }
    }
    harden_process(&hardening)
        .map_err(|error| Failure::system("the process cannot be hardened", &ErrorChain(&error)))
}

/// Logs the outcome of the hardening. This is a step of its own, because logging starts after the
/// hardening.
pub(crate) fn log(report: &HardeningReport) {
    for StepReport { step, outcome } in &report.steps {
        match outcome {
            Outcome::Done => debug!(%step, "hardened"),
            Outcome::Partly | Outcome::Unsupported => {
                warn!(%step, %outcome, "this kernel does not support the whole step");
            }
        }
    }
}
