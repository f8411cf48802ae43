//! What systemd's own checks say of the installed units.

use crate::debian::{Debian, PACKAGE};
use device_key_process as process;

const SYSTEM: [&str; 2] =
    ["/usr/lib/systemd/system/device-key.service", "/usr/lib/systemd/system/device-key.socket"];
const USER: [&str; 2] =
    ["/usr/lib/systemd/user/device-key.service", "/usr/lib/systemd/user/device-key.socket"];

const EXAMPLES: &str = "/usr/share/doc/device-key/examples";

/// Tenths, from 0 (nothing is exposed) to 100. What is left is said in the unit: peers' users and
/// commands must be seen as they are (no `PrivateUsers=`, no `ProtectProc=`), the TPM is a device (no
/// `PrivateDevices=`), and openat2(2) is needed (no `RestrictSUIDSGID=`).
const EXPOSURE: u32 = 9;

/// Fails if systemd would complain of a unit, or calls the system's service too exposed.
pub(crate) fn check(debian: &Debian) -> anyhow::Result<()> {
    debian.run("dpkg", &["--install", PACKAGE])?;
    for (manager, units) in [("--system", SYSTEM), ("--user", USER)] {
        // An unknown key is only printed, and the exit code is still 0.
        process::silent(
            debian
                .command("systemd-analyze")
                .args([manager, "verify"])
                .args(units)
                // A user's manager has one.
                .env("XDG_RUNTIME_DIR", "/tmp"),
        )?;
    }
    let [service, socket] = SYSTEM;
    let threshold = format!("--threshold={EXPOSURE}");
    debian.run("systemd-analyze", &["security", "--offline=true", &threshold, service])?;
    // With what administrators may add.
    debian.run("cp", &["-r", EXAMPLES, "/etc/systemd/system/device-key.service.d"])?;
    process::silent(debian.command("systemd-analyze").args(["verify", service, socket]))
}
