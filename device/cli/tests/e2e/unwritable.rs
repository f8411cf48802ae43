//! Standard output and standard error that cannot be written, and too few file descriptors.

use std::fs::OpenOptions;
use std::process::{Command, ExitStatus, Stdio};

use crate::home::Home;
use crate::program::{ABSENT, Program, device_key, run};

const TRANSPORT_FAILED: Option<i32> = Some(4);
const SYSTEM: Option<i32> = Some(5);

/// The exit code of a program that panicked.
const PANICKED: Option<i32> = Some(101);

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn ended(command: &mut Command) -> ExitStatus {
    let mut program = Program::spawn(command.stdin(Stdio::null()));
    program.wait()
}

/// Commands of every kind that show something.
fn commands(home: &Home) -> Vec<Command> {
    let mut commands: Vec<Command> =
        ["--help", "--version", "help"].into_iter().map(device_key).collect();
    for arguments in [
        &["app-server", "--help"][..],
        &["doctor", "--help"],
        &["doctor", "--tpm", ABSENT, "--home"],
        &["doctor", "--json", "--tpm", ABSENT, "--home"],
        &["demo", "--tpm", ABSENT, "--home"],
        &["list", "--in-process", "--tpm", ABSENT, "--home"],
        &["providers", "--in-process", "--json", "--tpm", ABSENT, "--home"],
    ] {
        let mut command = device_key(arguments[0]);
        command.args(&arguments[1..]);
        if arguments.contains(&"--home") {
            command.arg(home.path());
        }
        commands.push(command);
    }
    commands
}

#[test]
fn a_result_that_cannot_be_shown_is_a_failure() {
    let home = Home::new();
    for mut command in commands(&home) {
        command.env("RUST_LOG", "debug").stdout(full()).stderr(Stdio::null());
        assert_eq!(ended(&mut command).code(), TRANSPORT_FAILED, "{command:?}");
        // The same, and nobody can be told.
        command.stdout(full()).stderr(full());
        assert_eq!(ended(&mut command).code(), TRANSPORT_FAILED, "{command:?}");
    }
}

#[test]
fn no_command_panics_because_it_cannot_write() {
    let home = Home::new();
    let wrong = ["nonsense", "sign"].into_iter().map(device_key);
    let failing = [["app-server", "--connect", "/nowhere"], ["list", "--socket", "/nowhere"]];
    let failing = failing.into_iter().map(|[subcommand, option, path]| {
        let mut command = device_key(subcommand);
        command.args([option, path]);
        command
    });
    let server = [home.app_server(ABSENT)];
    for command in commands(&home).into_iter().chain(wrong).chain(failing).chain(server) {
        for redirection in ["2>/dev/full", ">/dev/full 2>/dev/full", ">&-", "2>&-", ">&- 2>&-"] {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(format!("exec \"$@\" {redirection}")).arg("sh");
            shell.arg(command.get_program()).args(command.get_args());
            shell.env_clear().env("RUST_LOG", "debug").stdout(Stdio::null()).stderr(Stdio::null());
            assert_ne!(ended(&mut shell).code(), PANICKED, "{shell:?}");
        }
    }
}

#[test]
fn a_command_with_too_few_descriptors_says_so() {
    let home = Home::new();
    let mut server = home.app_server(ABSENT);
    server.args(["--provider", "tpm", "--provider", "os"]);
    let outcomes = |limit: u32| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"]);
        shell.arg(server.get_program()).args(server.get_args()).env_clear();
        let output = run(&mut shell);
        assert!(output.stdout.is_empty());
        (output.status.code(), output.stderr.is_empty())
    };
    for limit in [5, 7, 8, 12, 16, 20, 31] {
        assert_eq!(outcomes(limit), (SYSTEM, false), "{limit}");
    }
    // With the fewest descriptors that are accepted, every part of the program starts.
    assert_eq!(outcomes(32).0, Some(0));
}
