//! All checks that a change must pass, in the order of their cost.

mod length;

use crate::{run, setup, workspace::Workspace};

/// Runs the checks and stops at the first that fails; `arguments` are for `cargo test`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    setup::install(workspace)?;
    run::shown(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    length::check(workspace.root())?;
    run::shown(
        workspace
            .cargo()
            .args(["clippy", "--locked", "--workspace", "--all-targets"])
            .args(["--", "-D", "warnings"]),
    )?;
    run::shown(
        workspace
            .cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    // All failures at once: a run takes minutes.
    run::shown(
        workspace
            .cargo()
            .args(["test", "--locked", "--workspace", "--no-fail-fast"])
            .args(arguments),
    )
}
