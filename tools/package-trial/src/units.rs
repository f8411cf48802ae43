//! Runs systemd's own checks on the installed units.

use crate::debian::{Debian, PACKAGE};
use device_key_process as process;

const SYSTEM: [&str; 2] =
    ["/usr/lib/systemd/system/device-key.service", "/usr/lib/systemd/system/device-key.socket"];
const USER: [&str; 2] =
    ["/usr/lib/systemd/user/device-key.service", "/usr/lib/systemd/user/device-key.socket"];

const EXAMPLES: &str = "/usr/share/doc/device-key/examples";

/// The exposure that passes, in tenths, from 0 (nothing is exposed) to 100. It cannot be 0, for the
/// reasons that the unit gives: the service must see peers' users and commands as they are (no
/// `PrivateUsers=`, no `ProtectProc=`), and the TPM is a device (no `PrivateDevices=`).
const EXPOSURE: u32 = 9;

/// Fails if systemd complains about a unit, or rates the system's service as too exposed.
pub(crate) fn check(debian: &Debian) -> anyhow::Result<()> {
    debian.run("dpkg", &["--install", PACKAGE])?;
    for (manager, units) in [("--system", SYSTEM), ("--user", USER)] {
        // systemd only prints an unknown key and still exits with 0, so any output is a failure.
        process::silent(
            debian
                .command("systemd-analyze")
                .args([manager, "verify"])
                .args(units)
                // The manager of a user has this folder.
                .env("XDG_RUNTIME_DIR", "/tmp"),
        )?;
    }
    let [service, socket] = SYSTEM;
    let threshold = format!("--threshold={EXPOSURE}");
    debian.run("systemd-analyze", &["security", "--offline=true", &threshold, service])?;
    // With the examples that administrators may add.
    debian.run("cp", &["-r", EXAMPLES, "/etc/systemd/system/device-key.service.d"])?;
    process::silent(debian.command("systemd-analyze").args(["verify", service, socket]))
}
