//! Tries the package in a Debian of its own: what it installs and leaves, what systemd says of its
//! units, and what a system without systemd makes of it.

mod booted;
mod debian;
mod expected;
mod lifecycle;
mod mirror;
mod running;
mod snapshot;
mod units;

use std::{fs, os::unix::fs::MetadataExt as _, process::Command, time::Instant};

use anyhow::ensure;

use self::debian::Debian;
use super::build::{self, Package};
use crate::{run, workspace::Workspace};

/// Growth beyond this should be a decision. It has 11.8 MB; the goal is 10 MB.
const LARGEST_BINARY: u64 = 12_500_000;

/// Where the package lies inside the system under test.
const PACKAGE: &str = "/root/device-key.deb";

/// Runs every step and stops at the first that fails.
pub(crate) fn run(
    workspace: &Workspace,
    package: &Package,
    mirror: Option<&str>,
) -> anyhow::Result<()> {
    ensure!(
        fs::metadata("/proc/self")?.uid() == 0,
        "the package is installed into a Debian of its own, which takes root"
    );
    let folder = build::folder(workspace);
    let archive = debian::archive(&folder, package.architecture, mirror)?;
    let step = |name: &str, check: &dyn Fn(&Debian) -> anyhow::Result<()>| {
        let start = Instant::now();
        let debian = Debian::unpack(&archive, &folder)?;
        fs::copy(&package.file, debian.path(PACKAGE))?;
        check(&debian)?;
        eprintln!("package: {name}: as expected ({:.1} s)", start.elapsed().as_secs_f64());
        Ok::<_, anyhow::Error>(())
    };
    static_binary(package)?;
    step("install, upgrade, remove and purge", &|debian| lifecycle::with_systemd(debian))?;
    step("install and purge without systemd", &|debian| lifecycle::without_systemd(debian))?;
    step("units", &|debian| units::check(debian))?;
    step("the service where systemd runs", &|debian| running::check(debian))
}

/// It runs where there is nothing else, so it needs no library and no loader.
fn static_binary(package: &Package) -> anyhow::Result<()> {
    let bytes = fs::metadata(&package.binary)?.len();
    ensure!(bytes <= LARGEST_BINARY, "the binary has {bytes} bytes, {LARGEST_BINARY} at most");
    let empty = tempfile::tempdir()?;
    fs::copy(&package.binary, empty.path().join("device-key"))?;
    let version =
        run::output(Command::new("chroot").arg(empty.path()).args(["/device-key", "--version"]))?;
    expect_version(&version)
}

fn expect_version(answer: &str) -> anyhow::Result<()> {
    let expected = concat!("device-key ", env!("CARGO_PKG_VERSION"));
    ensure!(answer.trim() == expected, "{answer:?} instead of {expected:?}");
    Ok(())
}
