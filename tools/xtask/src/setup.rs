//! Finds the tools that are not written in Rust, and installs them if we may.

mod install;
mod requirement;
mod typescript;

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use anyhow::bail;
use device_key_process as process;

use self::install::PackageManager;
use self::requirement::Requirement;
use self::typescript::Compiler;
use crate::privilege::Privilege;
use crate::workspace::Workspace;

/// Reports which tools of the tests are missing, and fails if any is.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    check_for(requirement::FOR_TESTS)?;
    if !Compiler::of(workspace).is_installed() {
        bail!(
            "TypeScript is missing; to install it below the target folder, run:\n  cargo xtask setup"
        );
    }
    Ok(())
}

/// Installs the missing tools of the tests. If we may not, fails with the commands to run.
pub(crate) fn install(workspace: &Workspace) -> anyhow::Result<()> {
    install_for(requirement::FOR_TESTS)?;
    let compiler = Compiler::of(workspace);
    if compiler.is_installed() { Ok(()) } else { compiler.install() }
}

/// Installs the missing tools of the demo and the benchmarks, which need fewer.
pub(crate) fn install_for_demo() -> anyhow::Result<()> {
    install_for(requirement::FOR_DEMO)
}

/// Installs the missing tools of the ordeal.
pub(crate) fn install_for_ordeal() -> anyhow::Result<()> {
    install_for(requirement::FOR_ORDEAL)
}

/// Installs the missing tools for building and trying the package.
pub(crate) fn install_for_packaging() -> anyhow::Result<()> {
    install_for(requirement::FOR_PACKAGING)
}

fn check_for(required: &'static [Requirement]) -> anyhow::Result<()> {
    let missing = Missing::on(&search_path(), required);
    if missing.is_empty() {
        eprintln!("setup: nothing is missing");
        return Ok(());
    }
    bail!("{}", missing.advice(PackageManager::on(&search_path())))
}

fn install_for(required: &'static [Requirement]) -> anyhow::Result<()> {
    let path = search_path();
    let missing = Missing::on(&path, required);
    if missing.is_empty() {
        eprintln!("setup: nothing is missing");
        return Ok(());
    }
    let manager = PackageManager::on(&path);
    if !missing.requirements.is_empty() {
        let (Some(manager), Some(privilege)) = (manager, Privilege::available()) else {
            bail!("{}", missing.advice(manager));
        };
        let names: Vec<_> = missing.requirements.iter().map(|missing| missing.name).collect();
        eprintln!("setup: installing what is missing: {}", names.join(", "));
        let steps = manager.steps(&missing.requirements);
        if privilege != Privilege::Root {
            eprintln!("setup: this needs root, so I run: {}", install::line(&steps));
        }
        install::run(&steps, privilege)?;
    }
    if !missing.components.is_empty() {
        if requirement::executable("rustup", &path).is_none() {
            bail!("{}", missing.advice(manager));
        }
        process::shown(
            Command::new("rustup").args(["component", "add"]).args(&missing.components),
        )?;
    }
    check_for(required)
}

struct Missing {
    requirements: Vec<&'static Requirement>,
    /// Components of the Rust toolchain, by the names that rustup knows.
    components: Vec<&'static str>,
}

impl Missing {
    fn on(path: &OsStr, required: &'static [Requirement]) -> Self {
        let components = [("rustfmt", "fmt"), ("clippy", "clippy")];
        let absent = |subcommand: &str| {
            !process::succeeds(Command::new("cargo").args([subcommand, "--version"]))
        };
        Self {
            requirements: requirement::missing(required, path),
            components: components
                .into_iter()
                .filter(|(_, subcommand)| absent(subcommand))
                .map(|(component, _)| component)
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.requirements.is_empty() && self.components.is_empty()
    }

    /// The text that lists the missing tools and the commands that install them.
    fn advice(&self, manager: Option<PackageManager>) -> String {
        let mut lines = vec!["these tools are missing:".to_owned()];
        lines.extend(self.requirements.iter().map(|missing| format!("  {}", missing.name)));
        lines.extend(self.components.iter().map(|component| format!("  {component}")));
        lines.push("to install them, run:".to_owned());
        if !self.requirements.is_empty() {
            lines.push(match manager {
                Some(manager) => {
                    format!("  {}", install::line(&manager.steps(&self.requirements)))
                }
                None => "  your system's package manager (neither apt-get nor dnf is here)".into(),
            });
        }
        if !self.components.is_empty() {
            lines.push(format!("  rustup component add {}", self.components.join(" ")));
        }
        lines.join("\n")
    }
}

fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_each_missing_tool_and_the_commands() {
        let missing = Missing {
            requirements: requirement::missing(requirement::FOR_TESTS, OsStr::new("")),
            components: vec!["clippy"],
        };
        let advice = missing.advice(Some(PackageManager::AptGet));
        for expected in
            ["\n  swtpm_setup\n", "sudo apt-get update && ", "\n  rustup component add clippy"]
        {
            assert!(advice.contains(expected), "{expected:?} is not in:\n{advice}");
        }
        assert!(!missing.advice(None).contains("apt-get update"));
    }
}
