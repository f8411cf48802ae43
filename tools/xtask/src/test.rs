//! All checks that a change must pass, in the order of their cost.

mod length;

use device_key_process as process;

use crate::{setup, workspace::Workspace};

/// Runs the checks and stops at the first that fails; `arguments` are for `cargo test`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    setup::install(workspace)?;
    process::shown(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    length::check(workspace.root())?;
    process::shown(
        workspace
            .cargo()
            .args(["clippy", "--locked", "--workspace", "--all-targets"])
            .args(["--", "-D", "warnings"]),
    )?;
    process::shown(
        workspace
            .cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    // All failures at once: a run takes minutes.
    process::shown(
        workspace
            .cargo()
            .args(["test", "--locked", "--workspace", "--no-fail-fast"])
            .args(arguments),
    )
}
