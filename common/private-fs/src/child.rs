//! Runs one ignored test of this test binary in a process of its own.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FOLDER: &str = "PRIVATE_FS_TEST_FOLDER";
const PARAMETER: &str = "PRIVATE_FS_TEST_PARAMETER";

/// The arguments that make the test binary run this ignored test and nothing else.
pub(crate) fn arguments(test: &str) -> [&str; 4] {
    [test, "--exact", "--ignored", "--nocapture"]
}

/// Gives the child its folder and one parameter.
pub(crate) fn prepare(command: &mut Command, folder: &Path, parameter: &str) {
    command.env(FOLDER, folder).env(PARAMETER, parameter);
}

/// The command that runs this ignored test in a new process of the test binary.
pub(crate) fn command(test: &str, folder: &Path, parameter: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments(test));
    prepare(&mut command, folder, parameter);
    command
}

/// In the child, returns the folder and the parameter from the parent. Returns `None` if somebody
/// runs all ignored tests by hand.
pub(crate) fn given() -> Option<(PathBuf, String)> {
    let folder: OsString = env::var_os(FOLDER)?;
    Some((folder.into(), env::var(PARAMETER).ok()?))
}

/// Asserts that one test has run and passed. With a misspelt name, no test would run.
pub(crate) fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}
