//! Makes the release build of the `device-key` command. It is static and stripped, so that it runs
//! on any machine and can be measured without that machine's C library.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use device_key_process as process;

use crate::workspace::Workspace;

/// Builds the command and returns its path.
pub(crate) fn binary(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    program(workspace, "device-key-cli", "device-key")
}

/// Builds the benchmarks with the flags of the command and returns their path.
pub(crate) fn benchmarks(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    program(workspace, "device-key-bench", "device-key-bench")
}

fn program(workspace: &Workspace, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    let triple = host()?;
    // Without --target the flags would apply to procedural macros too. rustc loads these, so they
    // cannot be static. The release profile strips the program.
    process::shown(
        workspace
            .cargo()
            .args(["build", "--locked", "--release", "--package", package, "--target", &triple])
            // A setting of the caller could move the target folder, so the folder is named.
            .arg("--target-dir")
            .arg(workspace.target())
            .env("RUSTFLAGS", with_static_c_library(env::var_os("RUSTFLAGS").as_deref()))
            // Cargo prefers this variable, which would hide ours.
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    Ok(workspace.target().join(triple).join("release").join(name))
}

/// Returns the triple of the machine that the compiler runs on, as `--target` takes it.
pub(crate) fn host() -> anyhow::Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    Ok(host_triple(&version).context("`rustc -vV` names no host")?.to_owned())
}

fn host_triple(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::trim)
}

fn with_static_c_library(flags: Option<&OsStr>) -> String {
    const STATIC: &str = "-Ctarget-feature=+crt-static";
    match flags.map(OsStr::to_string_lossy) {
        Some(flags) if !flags.trim().is_empty() => format!("{flags} {STATIC}"),
        _ => STATIC.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_compilers_version() {
        let version = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
                       host: aarch64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_triple(version), Some("aarch64-unknown-linux-gnu"));
        assert_eq!(host_triple("rustc 1.95.0\nno host: here\n"), None);
    }

    #[test]
    fn flags_of_the_caller_are_kept() {
        let flags = with_static_c_library(Some(OsStr::new("-Ctarget-cpu=native")));
        assert_eq!(flags, "-Ctarget-cpu=native -Ctarget-feature=+crt-static");
        assert_eq!(with_static_c_library(None), "-Ctarget-feature=+crt-static");
        assert_eq!(with_static_c_library(Some(OsStr::new(" "))), "-Ctarget-feature=+crt-static");
    }
}
