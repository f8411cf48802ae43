//! Test programs that start programs of several users, which only root may do.
//!
//! cargo runs every test program through `cargo xtask run-test`, which limits its time. For an
//! ordinary user, it puts sudo before the programs listed here. So one build and one run of cargo
//! serve every test.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail};
use device_key_process as process;

use crate::privilege::Privilege;
use crate::release;
use crate::test::watch;

/// The package and the name of each test program whose tests need root.
const NEED_ROOT: [(&str, &str); 4] = [
    ("device-key-cli", "e2e"),
    ("device-key-config", "file"),
    ("device-key-provider-os", "os"),
    ("device-key-server", "unix"),
];

/// How long a test program may take. The longest takes two minutes on two idle cores.
pub(crate) const LIMIT: Duration = Duration::from_mins(20);

/// The arguments that make cargo run every test program through [`run`], for at most this time.
pub(crate) fn runner(limit: Duration) -> anyhow::Result<[String; 2]> {
    let xtask = env::current_exe()?;
    let xtask = xtask.to_str().context("the path of xtask is not UTF-8")?;
    let triple = release::host()?;
    Ok([
        "--config".to_owned(),
        format!("target.{triple}.runner=[{xtask:?}, \"run-test\", \"{}\"]", limit.as_secs()),
    ])
}

/// Runs the test program. Fails without running it if its tests need root and we cannot become
/// root.
pub(crate) fn run(limit: Duration, program: &Path, arguments: &[OsString]) -> anyhow::Result<()> {
    // cargo sets the variable for each program that it runs.
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let privilege = Privilege::available();
    if needs_root(&package, program) && privilege != Some(Privilege::Root) {
        let Some(privilege) = privilege else {
            bail!(
                "the tests in {} of {package} were not run: they start programs of several users, \
                 which needs root, but sudo is not installed, or it wants a password and there is no \
                 terminal to ask on",
                program.display()
            );
        };
        let mut command = privilege.command("env");
        // sudo sets a search path of its own, and drops all other variables.
        for name in ["PATH", "RUST_BACKTRACE", "ORDEAL_SECONDS", "ORDEAL_ROWS"] {
            if let Ok(value) = env::var(name) {
                command.arg(format!("{name}={value}"));
            }
        }
        // Only root can watch and kill root's programs.
        command.arg(env::current_exe()?).args(["run-test", &limit.as_secs().to_string()]);
        command.arg(program).args(arguments);
        eprintln!("these need root, so I run: {}", process::line(&command));
        return Err(command.exec())
            .with_context(|| format!("cannot run {}", process::line(&command)));
    }
    watch::run(Command::new(program).args(arguments), limit)
}

/// Gives the files that root's tests left in this folder to the owner of the folder, who could not
/// remove them otherwise.
pub(crate) fn give_back(folder: &Path, privilege: Option<Privilege>) -> anyhow::Result<()> {
    let sudo = privilege.filter(|privilege| *privilege != Privilege::Root);
    let (Some(sudo), Ok(metadata)) = (sudo, fs::metadata(folder)) else { return Ok(()) };
    let owner = format!("{}:{}", metadata.uid(), metadata.gid());
    process::shown(sudo.command("chown").args(["--recursive", &owner]).arg(folder))
}

fn needs_root(package: &str, program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // cargo puts a digest behind the name.
    let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
    NEED_ROOT.contains(&(package, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_known_by_its_package_and_its_name() {
        let needs_root = |package, program| needs_root(package, Path::new(program));
        assert!(needs_root("device-key-cli", "/target/debug/deps/e2e-1fc4c9a37152aaf8"));
        assert!(!needs_root("device-key-server", "/target/debug/deps/e2e-1fc4c9a37152aaf8"));
        assert!(!needs_root("device-key-cli", "/target/debug/deps/device_key-0a99120d08ff5664"));
        assert!(!needs_root("device-key-cli", "/tmp/rustdoctest/rust_out"));
    }
}
