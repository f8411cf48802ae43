//! Processes of their own: the test binary runs one of its ignored tests again.

use std::{
    env, fs,
    io::Read as _,
    process::{Command, Output, Stdio},
    time::Duration,
};

use device_key_telemetry::{LevelFilter, Service, Settings, Telemetry};
use serde_json::Value;

/// Names the address of a collector for the children here.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Set in children alone, so that nothing happens when somebody runs all ignored tests by hand.
const MARK: &str = "TELEMETRY_TEST_CHILD";

/// Above any time that a test measures, below what a person waits for.
const WITHIN: Duration = Duration::from_secs(30);

/// The test binary, about to run this ignored test with no setting but these.
pub(crate) fn command(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    let about_us = |name: &String| {
        ["OTEL_", "RUST_LOG", "JOURNAL_STREAM", "NO_COLOR", "CLICOLOR"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    for name in env::vars().map(|(name, _)| name).filter(about_us) {
        command.env_remove(name);
    }
    command.env(MARK, "1").envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs such a child to its end.
pub(crate) fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    let output = command(test, variables).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What a child logged as JSON.
pub(crate) fn json_lines(stderr: &[u8]) -> Vec<Value> {
    let text = str::from_utf8(stderr).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// In the child: telemetry as the variables say. Nothing if this is none.
pub(crate) fn telemetry() -> Option<Telemetry> {
    env::var_os(MARK)?;
    let format = env::var("FORMAT").ok().map(|name| name.parse().unwrap());
    let service = Service { name: "device-key", version: "1.2.3" };
    let environment = |name: &str| env::var(name).ok();
    let settings = Settings::read(service, format, LevelFilter::INFO, environment).unwrap();
    Some(Telemetry::start(&settings).unwrap())
}

/// In the child: sends what is left.
pub(crate) fn end(telemetry: Telemetry) {
    telemetry.shutdown(WITHIN);
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
