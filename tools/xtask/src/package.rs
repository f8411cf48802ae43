//! Builds the Debian package from the static release binary and the files in `packaging/`.
//!
//! `dpkg-deb` packs it. cargo-deb would replace the lists of control fields, configuration files
//! and checksums, some sixty lines, but take 68 s to compile in each CI run (measured on two
//! cores).

mod build;
mod contents;
mod control;

use device_key_package_trial::Package;

use crate::workspace::Workspace;
use crate::{release, setup};

/// Builds the package into `target/package/`. The same commit and binary always give the same
/// bytes.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    setup::install_for_packaging()?;
    build(workspace).map(|_| ())
}

/// Builds the package, and then installs, uses, upgrades, removes and purges it in a Debian of its
/// own. That Debian is downloaded from `mirror`, or from the mirrors that apt uses.
pub(crate) fn test(workspace: &Workspace, mirror: Option<&str>) -> anyhow::Result<()> {
    setup::install_for_packaging()?;
    let package = build(workspace)?;
    device_key_package_trial::run(&package, &build::folder(workspace), mirror)
}

fn build(workspace: &Workspace) -> anyhow::Result<Package> {
    let binary = release::binary(workspace)?;
    build::build(workspace, &binary)
}
