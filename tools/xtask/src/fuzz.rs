//! Builds and runs the fuzz targets.
//!
//! They are a workspace of their own in `fuzz/`, in the layout of cargo-fuzz, which can run them
//! with a nightly compiler. Here libFuzzer watches coverage through flags that the stable compiler
//! has too. There is no sanitizer, because no unsafe code of ours is fuzzed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use device_key_process as process;

use crate::release;
use crate::workspace::Workspace;

/// The compiler flags that cargo-fuzz sets for coverage and for overflow checks.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

/// Builds the targets and runs one target, or every target, for `minutes` minutes in all. Inputs
/// that reach new code are kept in the build output for the next run. libFuzzer prints where it
/// leaves an input that breaks a target.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>, minutes: u32) -> anyhow::Result<()> {
    let folder = workspace.root().join("fuzz");
    let targets = targets(&folder.join("fuzz_targets"))?;
    let chosen: Vec<_> =
        targets.iter().filter(|name| target.is_none_or(|wanted| wanted == *name)).collect();
    ensure!(!chosen.is_empty(), "there is no such target; the targets are {}", targets.join(", "));
    let seconds = (minutes * 60) / u32::try_from(chosen.len())?;
    let output = workspace.target().join("fuzz");
    let triple = release::host()?;
    process::shown(
        workspace
            .cargo()
            .args(["build", "--locked", "--release", "--target", &triple, "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&output)
            .env("RUSTFLAGS", FLAGS.join(" "))
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    for name in chosen {
        let corpus = output.join("corpus").join(name);
        fs::create_dir_all(&corpus)?;
        let mut fuzzer =
            std::process::Command::new(output.join(&triple).join("release").join(name));
        fuzzer.current_dir(&output).arg(format!("-max_total_time={seconds}")).arg(corpus);
        process::shown(fuzzer.arg(folder.join("seeds").join(name)))
            .with_context(|| format!("the target {name}"))?;
    }
    Ok(())
}

/// Returns the names of all targets, sorted.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file: PathBuf = entry?.path();
        names.extend(file.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}
