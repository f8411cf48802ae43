//! Runs the benchmarks of the release build, on a simulated TPM of their own.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use device_key_process as process;

use crate::swtpm::Swtpm;
use crate::workspace::Workspace;
use crate::{release, setup};

/// A file system in memory. On a disk, syncs would take most of the time that is measured.
const MEMORY: &str = "/dev/shm";

/// Builds everything first, so that nothing else runs during the measurements.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    setup::install_for_demo()?;
    let binary = release::binary(workspace)?;
    let benchmarks = release::benchmarks(workspace)?;
    ensure!(Path::new(MEMORY).is_dir(), "{MEMORY} is needed as a file system in memory");
    let scratch = tempfile::Builder::new().prefix("device-key-bench-").tempdir_in(MEMORY)?;
    let tpm = Swtpm::start()?;
    process::shown(
        Command::new(benchmarks)
            .arg("all")
            .arg("--device-key")
            .arg(binary)
            .arg("--tpm")
            .arg(tpm.socket())
            .arg("--scratch")
            .arg(scratch.path())
            .args(arguments),
    )
}
