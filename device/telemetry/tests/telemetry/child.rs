//! Child processes: the test binary runs one of its ignored tests again.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs};

use device_key_telemetry::{LevelFilter, ServiceIdentity, Settings, Telemetry};
use serde_json::Value;

/// The variable that names the collector to a child.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Set only in children, so that nothing happens if somebody runs all ignored tests by hand.
const MARK: &str = "TELEMETRY_TEST_CHILD";

/// How long a child may take to send its last data. Longer than any time that a test measures, and
/// shorter than a person would wait.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(30);

/// A command that runs this ignored test of the test binary with no settings but these.
pub(crate) fn command(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    let affects_telemetry = |name: &String| {
        ["OTEL_", "RUST_LOG", "JOURNAL_STREAM", "NO_COLOR", "CLICOLOR"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    for name in env::vars().map(|(name, _)| name).filter(affects_telemetry) {
        command.env_remove(name);
    }
    command.env(MARK, "1").envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs this ignored test in a child to its end.
pub(crate) fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    let output = command(test, variables).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The lines that a child logged as JSON.
pub(crate) fn json_lines(stderr: &[u8]) -> Vec<Value> {
    let text = str::from_utf8(stderr).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// In the child: starts telemetry as the variables say. `None` if this process is not a child.
pub(crate) fn telemetry() -> Option<Telemetry> {
    env::var_os(MARK)?;
    let format = env::var("FORMAT").ok().map(|name| name.parse().unwrap());
    let service = ServiceIdentity { name: "device-key", version: "1.2.3" };
    let environment = |name: &str| env::var(name).ok();
    let settings = Settings::read(service, format, LevelFilter::INFO, environment).unwrap();
    Some(Telemetry::start(&settings).unwrap())
}

/// In the child: sends the remaining data.
pub(crate) fn end(telemetry: Telemetry) {
    telemetry.shutdown(SHUTDOWN_WITHIN);
}

/// In the child: how many threads and open files it has.
pub(crate) fn threads_and_files() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// In the child: waits until the parent closes standard input.
pub(crate) fn await_parent() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
