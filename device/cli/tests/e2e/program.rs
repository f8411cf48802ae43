//! Runs the program under test, with a limit on its time.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use device_key_testing::ended;

/// How long a test waits before it fails. A busy machine needs far less.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The address of a TPM that does not exist.
pub(crate) const ABSENT: &str = "/dev/tpm-that-is-absent";

/// The environment variables that would make the outcome depend on the user who runs the tests.
const SETTINGS: [&str; 16] = [
    "CONFIGURATION_DIRECTORY",
    "DEVICE_KEY_ALLOW_SIMULATED_TPM",
    "DEVICE_KEY_CONFIG",
    "DEVICE_KEY_HOME",
    "DEVICE_KEY_SERVICE_UID",
    "DEVICE_KEY_SOCKET",
    "DEVICE_KEY_LOG_FORMAT",
    "DEVICE_KEY_TPM",
    "HOME",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACES_EXPORTER",
    "RUST_LOG",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// A subcommand, without any setting from the environment.
pub(crate) fn device_key(subcommand: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_device-key"));
    for setting in SETTINGS {
        command.env_remove(setting);
    }
    command.arg(subcommand);
    command
}

/// A subcommand on this home and TPM, which may be a simulated one.
pub(crate) fn on(subcommand: &str, home: &Path, tpm: &str) -> Command {
    let mut command = device_key(subcommand);
    command.arg("--home").arg(home).args(["--tpm", tpm, "--allow-simulated-tpm"]);
    command
}

/// A child process. It is killed if it is still running when this value is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
}

impl Program {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap() }
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        ended(&mut self.child)
    }

    /// Kills the process, which has no chance to clean up.
    pub(crate) fn kill(&mut self) {
        // Fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program on an empty input until it ends.
pub(crate) fn run(command: &mut Command) -> Output {
    run_on(command, Stdio::null())
}

/// Runs a program on this input until it ends.
pub(crate) fn run_on(command: &mut Command, input: impl Into<Stdio>) -> Output {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::spawn(command);
    // The command may hold a copy of the parent's end, which would keep the child waiting.
    command.stdin(Stdio::null());
    let stdout = collect(program.child.stdout.take().unwrap());
    let stderr = collect(program.child.stderr.take().unwrap());
    let status = program.wait();
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Reads a stream to its end on a thread.
pub(crate) fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}
