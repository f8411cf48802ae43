//! Measures the start of `device-key`, its memory and the size of its binary.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::figures::{Figures, Samples};
use crate::line_server::{LineServer, resident_megabytes};

const RUNS: usize = 40;

/// Measures the time from spawn to the answer of `initialize`, the memory at that moment, and the
/// size of the binary.
pub(crate) fn measure(figures: &mut Figures, device_key: &Path, scratch: &Path) -> Result<()> {
    let home = scratch.join("spawn");
    let mut ready = Samples::default();
    let mut bare = Samples::default();
    let mut resident = 0.0_f64;
    for run in 0..=RUNS {
        bare.time(|| Command::new("/bin/true").status())?;
        let started = Instant::now();
        let mut server = LineServer::spawn(
            Command::new(device_key)
                .args(["app-server", "--tpm", "/dev/tpmrm0", "--home"])
                .arg(&home),
        )?;
        server.lines.initialize()?;
        // The first run creates the state, so it is not counted.
        if run > 0 {
            ready.push(started.elapsed());
            resident = resident.max(resident_megabytes(server.id())?);
        }
        server.finish()?;
    }
    figures.add("spawn to initialize answer, existing state", ready.median() / 1e3, 5.0, "ms");
    figures.add("resident memory after start, largest", resident, 8.0, "MB");
    let size = u32::try_from(fs::metadata(device_key)?.len())?;
    figures.add("stripped static binary", f64::from(size) / 1e6, 10.0, "MB");
    figures.detail("spawn to initialize", &ready);
    figures.detail("spawn and exit of /bin/true", &bare);
    Ok(())
}
