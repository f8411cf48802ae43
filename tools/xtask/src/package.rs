//! The Debian package: the static release binary, and what `packaging/` holds for it.
//!
//! `dpkg-deb` builds it: what it does not do for us is a few lines of text, while cargo-deb would
//! take 68 s to compile (measured on two cores) and know less of our maintainer scripts.

mod build;
mod contents;
mod control;

use device_key_package_trial::Package;

use crate::{release, setup, workspace::Workspace};

/// Builds the package into `target/package/`; the same commit and binary give the same bytes.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    setup::install_for_packaging()?;
    build(workspace).map(|_| ())
}

/// Builds the package, then installs, tries, upgrades, removes and purges it in a Debian of its own.
/// `mirror` is asked for that Debian, or else the mirrors that apt uses.
pub(crate) fn test(workspace: &Workspace, mirror: Option<&str>) -> anyhow::Result<()> {
    setup::install_for_packaging()?;
    let package = build(workspace)?;
    device_key_package_trial::run(&package, &build::folder(workspace), mirror)
}

fn build(workspace: &Workspace) -> anyhow::Result<Package> {
    let binary = release::binary(workspace)?;
    build::build(workspace, &binary)
}
