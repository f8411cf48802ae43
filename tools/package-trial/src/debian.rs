//! A small Debian in a folder, in which commands run as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use device_key_process as process;
use tempfile::TempDir;

use crate::mirror;

/// The oldest release that the package is for.
const SUITE: &str = "bookworm";

/// Mounts /proc for the command alone, so that nothing stays mounted, and becomes the command.
const ENTER: &str = r#"mount -t proc proc "$0/proc" && exec chroot "$0" "$@""#;
/// Becomes the command without mounting /proc, as a tool that makes images may do.
const ENTER_WITHOUT_PROC: &str = r#"exec chroot "$0" "$@""#;

/// Where the package lies inside the system under test.
pub(crate) const PACKAGE: &str = "/root/device-key.deb";

/// The unpacked system. It is removed when this value is dropped.
pub(crate) struct Debian {
    root: TempDir,
}

impl Debian {
    pub(crate) fn unpack(archive: &Path, folder: &Path) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("debian-").tempdir_in(folder)?;
        process::quiet(Command::new("tar").arg("-C").arg(root.path()).arg("-xf").arg(archive))?;
        Ok(Self { root })
    }

    /// Returns where a path of the system is on this machine.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside.trim_start_matches('/'))
    }

    /// A command that runs inside, with the system's own search path and nothing of our
    /// environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.entered(ENTER, program)
    }

    /// A command that runs inside, on a system where /proc is not mounted.
    pub(crate) fn command_without_proc(&self, program: &str) -> Command {
        self.entered(ENTER_WITHOUT_PROC, program)
    }

    fn entered(&self, script: &str, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(self.root.path()).arg(program);
        with_environment_of_system(&mut command);
        command
    }

    /// Runs a command inside, which must succeed, and drops its output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        process::quiet(self.command(program).args(arguments))
    }

    /// Returns what a command inside prints.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        process::output(self.command(program).args(arguments))
    }

    /// Returns the text of a file inside.
    pub(crate) fn read(&self, inside: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.path(inside)).with_context(|| format!("cannot read {inside}"))
    }
}

/// Replaces the environment of a command that runs inside with the system's own search path.
pub(super) fn with_environment_of_system(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/root")
        .env("DEBIAN_FRONTEND", "noninteractive");
}

/// Returns an archive of a fresh system with systemd. The archive stays in `folder` for the next
/// run.
pub(crate) fn archive(
    folder: &Path,
    architecture: &str,
    mirror: Option<&str>,
) -> anyhow::Result<PathBuf> {
    let archive = folder.join(format!("debian-{SUITE}-{architecture}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    let mirrors = match mirror {
        Some(mirror) => vec![mirror.to_owned()],
        None => mirror::configured(SUITE)?,
    };
    eprintln!("\nDebian {SUITE} is fetched once, for {}; that takes a minute.", archive.display());
    let mut outcome = Ok(());
    // Each mirror gets two attempts, because mirrors fail now and then.
    for mirror in mirrors.iter().flat_map(|mirror| [mirror, mirror]) {
        outcome = fetch(folder, architecture, mirror, &archive);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map(|()| archive)
}

fn fetch(folder: &Path, architecture: &str, mirror: &str, archive: &Path) -> anyhow::Result<()> {
    let root = tempfile::Builder::new().prefix("debootstrap-").tempdir_in(folder)?;
    process::quiet(
        Command::new("debootstrap")
            .args(["--variant=minbase", "--include=systemd"])
            .arg(format!("--arch={architecture}"))
            .arg(SUITE)
            .arg(root.path())
            .arg(mirror),
    )?;
    let debian = Debian { root };
    debian.run("apt-get", &["clean"])?;
    // The archive gets its name only when it is complete.
    let unfinished = archive.with_extension("tmp");
    process::quiet(
        Command::new("tar").arg("-C").arg(debian.root.path()).arg("-cf").arg(&unfinished).arg("."),
    )?;
    Ok(fs::rename(unfinished, archive)?)
}
