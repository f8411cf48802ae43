//! Checks the dependencies with cargo-deny, which `deny.toml` configures.

use std::path::{Path, PathBuf};
use std::process::Command;

use device_key_process::{self as process, Exit};

use crate::workspace::Workspace;

/// The version that is installed if the machine has no cargo-deny that fits. Checks and settings
/// change between minor versions, so only patches of this version fit.
const VERSION: &str = "0.20.2";

/// The code is neither 1, which is any other failure, nor 2, which is a wrong command line.
const NO_ADVISORY_DATABASE: Exit = Exit {
    code: 3,
    message: "the advisory database cannot be fetched, so nothing is known about advisories; \
              try again with access to the network",
};

/// Checks bans, licences and sources. The result depends on the commit alone.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    process::shown(
        deny(workspace)?.args(["--locked", "check"]).args(["bans", "licenses", "sources"]),
    )
}

/// Checks for advisories that are published now.
pub(crate) fn advisories(workspace: &Workspace) -> anyhow::Result<()> {
    let mut deny = deny(workspace)?;
    // The database is fetched separately, because the exit code of a check does not distinguish a
    // failed download from an advisory that was found.
    if process::shown(deny.args(["fetch", "db"])).is_err() {
        return Err(NO_ADVISORY_DATABASE.into());
    }
    let mut deny = self::deny(workspace)?;
    process::shown(deny.args(["--locked", "check", "advisories"]))
}

/// Returns the cargo-deny of this machine if it fits, and otherwise installs one below the build
/// folder. Installing it for the whole account could replace a version that other projects need.
fn deny(workspace: &Workspace) -> anyhow::Result<Command> {
    let ours = workspace.target().join("tools");
    let program = ours.join("bin/cargo-deny");
    let installed = [PathBuf::from("cargo-deny"), program.clone()];
    if let Some(fitting) = installed.into_iter().find(|program| fits(program)) {
        return Ok(in_root(workspace, &fitting));
    }
    eprintln!("\ncargo-deny {VERSION} is compiled once; that takes some minutes.");
    process::shown(
        workspace
            .cargo()
            .args(["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION, "--root"])
            .arg(&ours)
            // cargo then puts the objects into a folder that it removes afterwards.
            .env_remove("CARGO_TARGET_DIR"),
    )?;
    Ok(in_root(workspace, &program))
}

fn in_root(workspace: &Workspace, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace.root());
    command
}

fn fits(program: &Path) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| is_fitting_version(&String::from_utf8_lossy(&output.stdout)))
}

/// Returns whether this answer to `--version` names the wanted minor version.
fn is_fitting_version(answer: &str) -> bool {
    let Some(version) = answer.trim().strip_prefix("cargo-deny ") else { return false };
    version.rsplit_once('.').map(|(minor, _)| minor)
        == VERSION.rsplit_once('.').map(|(minor, _)| minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_the_wanted_minor_version_fit() {
        for fitting in ["cargo-deny 0.20.2\n", "cargo-deny 0.20.0", "cargo-deny 0.20.15\n"] {
            assert!(is_fitting_version(fitting), "{fitting:?}");
        }
        for other in
            ["cargo-deny 0.19.9\n", "cargo-deny 0.2.20", "cargo-deny 0.200.2", "0.20.2", ""]
        {
            assert!(!is_fitting_version(other), "{other:?}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_does_not_fit() {
        assert!(!fits(Path::new("/nonexistent/cargo-deny")));
    }
}
