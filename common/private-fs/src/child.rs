//! Tests that need a process of their own: the test binary runs one of its ignored tests again.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
};

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

/// The test binary, about to run this ignored test.
pub(crate) fn command(test: &str, folder: &Path, parameter: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments(test));
    prepare(&mut command, folder, parameter);
    command
}

/// In the child: what the parent gave. Nothing if somebody runs all ignored tests by hand.
pub(crate) fn given() -> Option<(PathBuf, String)> {
    let folder: OsString = env::var_os(FOLDER)?;
    Some((folder.into(), env::var(PARAMETER).ok()?))
}

/// One test has run, and passed; a misspelt name would run none.
pub(crate) fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}
