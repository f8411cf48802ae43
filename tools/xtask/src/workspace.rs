//! Finds the workspace and its build output.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use device_key_process as process;

pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the workspace around the current folder.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let manifest = process::output(Command::new("cargo").args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
        ]))?;
        let root = Path::new(manifest.trim())
            .parent()
            .context("cargo named a workspace manifest that is in no folder")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(folder)?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path of the build output.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns a command for `cargo` in the workspace's root.
    ///
    /// `cargo run` describes the xtask package in the environment. The command drops these
    /// variables, because build scripts that read them would see changed inputs and rebuild their
    /// crates.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(describes_the_running_package) {
                cargo.env_remove(name);
            }
        }
        cargo
    }
}

fn describes_the_running_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_package_description_is_withheld_from_child_builds() {
        assert!(describes_the_running_package("CARGO_PKG_VERSION"));
        assert!(describes_the_running_package("CARGO_MANIFEST_DIR"));
        for kept in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_PROFILE_DEV_DEBUG", "RUSTFLAGS"] {
            assert!(!describes_the_running_package(kept), "{kept}");
        }
    }

    #[test]
    fn the_workspace_holds_this_crate() {
        let workspace = Workspace::locate().unwrap();
        assert!(workspace.root().join("tools/xtask/src/workspace.rs").is_file());
        assert!(workspace.target().is_absolute());
    }
}
