//! Runs other programs for the developer commands and the tests.
//!
//! A command line can be shown before it runs, and the error of a failed program keeps its exit
//! code.
#![forbid(unsafe_code)]

pub mod swtpm;
pub mod wait;

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context as _, ensure};

/// The error of a program that ran and failed.
#[derive(Debug)]
pub struct Failed {
    line: String,
    status: ExitStatus,
}

impl Failed {
    /// The program's exit code, or 128 plus the number of the signal that ended it, as shells
    /// report.
    fn code(&self) -> u8 {
        let code = self.status.code().or_else(|| self.status.signal().map(|number| 128 + number));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` failed ({})", self.line, self.status)
    }
}

impl std::error::Error for Failed {}

/// The exit code for `error`: the code of the [`Failed`] or [`Exit`] that caused it, or else 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = error
        .downcast_ref::<Failed>()
        .map(Failed::code)
        .or_else(|| error.downcast_ref::<Exit>().map(|exit| exit.code));
    ExitCode::from(code.unwrap_or(1))
}

/// An error with its own exit code, for scripts that must tell this error from other failures.
#[derive(Debug)]
pub struct Exit {
    /// The exit code.
    pub code: u8,
    /// The text for people.
    pub message: &'static str,
}

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.message)
    }
}

impl std::error::Error for Exit {}

/// Shows the command line, then runs the command on our own input and output.
///
/// # Errors
///
/// Fails with [`Failed`] if the program fails, and otherwise if it cannot be run.
pub fn shown(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("\n$ {}", line(command));
    let status = command.status().with_context(|| cannot_run(command))?;
    succeeded(command, status)
}

/// Shows the command line, runs the command, and both shows and returns what it prints on standard
/// output.
///
/// # Errors
///
/// Fails if the program fails or prints text that is not UTF-8.
pub fn recorded(command: &mut Command) -> anyhow::Result<String> {
    eprintln!("\n$ {}", line(command));
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_run(command))?;
    let said = String::from_utf8(output.stdout)?;
    print!("{said}");
    succeeded(command, output.status)?;
    Ok(said)
}

/// Runs the command and drops its output.
///
/// # Errors
///
/// If the program fails, the error holds its output.
pub fn quiet(command: &mut Command) -> anyhow::Result<()> {
    captured(command).map(drop)
}

/// Runs a command that should print nothing.
///
/// # Errors
///
/// Fails if the program fails or prints anything; the error holds the output.
pub fn silent(command: &mut Command) -> anyhow::Result<()> {
    let said = captured(command)?;
    ensure!(said.is_empty(), "`{}` says: {}", line(command), said.trim_end());
    Ok(())
}

/// Returns what the command prints on both streams. If it fails, the error holds this text.
fn captured(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_run(command))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    succeeded(command, output.status).with_context(|| said.trim_end().to_owned())?;
    Ok(said)
}

/// Returns what the command prints on standard output. Its standard error is ours.
///
/// # Errors
///
/// Fails if the program fails or prints text that is not UTF-8.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| cannot_run(command))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed text that is not UTF-8", line(command)))
}

/// Returns whether the command can be run and succeeds. Its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns the command as a person could type it into a shell.
pub fn line(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}={} ", name.display(), quoted(value));
        }
    }
    line.push_str(&quoted(command.get_program()));
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=+/.,:@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Turns a status into an error if the program failed.
///
/// # Errors
///
/// Fails with [`Failed`] if the program failed.
pub fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Failed { line: line(command), status }.into())
}

fn cannot_run(command: &Command) -> String {
    format!("cannot run `{}`", command.get_program().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn code(error: &anyhow::Error) -> String {
        format!("{:?}", exit_code(error))
    }

    #[test]
    fn a_failure_keeps_the_exit_code_under_added_context() {
        let error = quiet(&mut shell("exit 42")).context("outer").unwrap_err();
        assert_eq!(code(&error), format!("{:?}", ExitCode::from(42)));
    }

    #[test]
    fn a_signal_becomes_the_code_that_a_shell_reports() {
        let error = quiet(&mut shell("kill -TERM $$")).unwrap_err();
        assert_eq!(code(&error), format!("{:?}", ExitCode::from(128 + 15)));
    }

    #[test]
    fn other_errors_exit_with_1_and_chosen_codes_are_kept() {
        let other = anyhow::anyhow!("other");
        assert_eq!(code(&other), format!("{:?}", ExitCode::from(1)));
        let chosen = anyhow::Error::from(Exit { code: 3, message: "chosen" });
        assert_eq!(code(&chosen), format!("{:?}", ExitCode::from(3)));
    }

    #[test]
    fn a_quiet_failure_tells_what_the_program_said() {
        let error = quiet(&mut shell("echo out; echo err >&2; exit 1")).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("out\nerr"), "{told}");
    }

    #[test]
    fn output_on_either_stream_is_a_failure_of_a_silent_command() {
        silent(&mut shell("true")).unwrap();
        for loud in ["echo word", "echo word >&2"] {
            let error = silent(&mut shell(loud)).unwrap_err();
            assert!(format!("{error:#}").contains("says: word"), "{error:#}");
        }
        let error = silent(&mut shell("echo word; exit 42")).unwrap_err();
        assert_eq!(code(&error), format!("{:?}", ExitCode::from(42)));
    }

    #[test]
    fn a_line_can_be_typed_into_a_shell() {
        let mut command = Command::new("cargo");
        command.env("RUSTDOCFLAGS", "-D warnings").env_remove("CARGO_PKG_NAME");
        command.args(["doc", "it's", "--no-deps", ""]);
        assert_eq!(line(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s' --no-deps ''");
    }
}
