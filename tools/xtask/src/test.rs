//! All checks that a change must pass, in the order of their cost.

mod files;
pub(crate) mod root;
mod watch;

use device_key_process as process;

use crate::privilege::Privilege;
use crate::setup;
use crate::workspace::Workspace;

/// Runs the checks and stops at the first that fails; `arguments` are for `cargo test`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    setup::install(workspace)?;
    process::shown(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    files::check(workspace.root())?;
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
    let mut tests = workspace.cargo();
    // A run takes minutes, so it reports all failures at once.
    tests.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    let outcome = process::shown(tests.args(root::runner(root::LIMIT)?).args(arguments));
    root::give_back(&workspace.target().join("tmp"), Privilege::available())?;
    outcome
}
