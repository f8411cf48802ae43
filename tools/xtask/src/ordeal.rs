//! Runs the tests that cause faults again and again, and makes the table of what they found.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use device_key_process as process;

use crate::privilege::Privilege;
use crate::setup;
use crate::test::root;
use crate::workspace::Workspace;

const DOCUMENT: &str = "docs/reliability.md";
/// The first line of the table, which ends at the next blank line.
const HEADER: &str = "| Fault | Tried | What was found each time | Again |\n|---|---|---|---|\n";

/// Runs the tests whose names contain `name` one after the other, so that all of them together take
/// about `minutes` minutes. Prints the table, or writes it into the document.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    minutes: u32,
    write: bool,
) -> anyhow::Result<()> {
    setup::install_for_ordeal()?;
    let filter = format!("ordeal::{name}");
    let listed = process::output(
        tests(workspace, minutes)?.args(["--quiet", "--", "--list", "--ignored"]).arg(&filter),
    )?;
    let count = u32::try_from(listed.lines().filter(|line| line.ends_with(": test")).count())?;
    ensure!(count > 0, "no test has {name:?} in its name");

    let rows = workspace.target().join("ordeal");
    let _ = fs::remove_file(&rows);
    let privilege = Privilege::available();
    let outcome = process::shown(
        tests(workspace, minutes)?
            .args(["--", "--test-threads=1", "--ignored"])
            .arg(&filter)
            .env("ORDEAL_SECONDS", (minutes * 60 / count).to_string())
            .env("ORDEAL_ROWS", &rows),
    );
    root::give_back(&workspace.target().join("tmp"), privilege)?;
    let table = format!("{HEADER}{}", fs::read_to_string(&rows).unwrap_or_default());
    println!("\n{table}");
    outcome?;
    if write { write_table(&workspace.root().join(DOCUMENT), &table) } else { Ok(()) }
}

fn tests(workspace: &Workspace, minutes: u32) -> anyhow::Result<Command> {
    let mut tests = workspace.cargo();
    tests.args(["test", "--locked", "--package", "device-key-cli", "--test", "e2e"]);
    // Each test lasts its part of these minutes, and a round more.
    let limit = Duration::from_mins(u64::from(minutes).saturating_mul(2));
    tests.args(root::runner(root::LIMIT.saturating_add(limit))?);
    Ok(tests)
}

fn write_table(document: &Path, table: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(document)?;
    let (before, rest) = text.split_once(HEADER).context("the document has no such table")?;
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let end = if after.is_empty() { "" } else { "\n" };
    Ok(fs::write(document, format!("{before}{table}{end}{after}"))?)
}
