use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::statement;

/// A program that answers lines with lines.
pub(crate) struct LineServer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl LineServer {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("spawn {command:?}"))?;
        let input = child.stdin.take().context("stdin")?;
        let output = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, input, output })
    }

    /// Sends one line and waits for the answer's line.
    pub(crate) fn exchange(&mut self, line: &[u8], answer: &mut Vec<u8>) -> Result<Duration> {
        answer.clear();
        let start = Instant::now();
        self.input.write_all(line)?;
        self.output.read_until(b'\n', answer)?;
        Ok(start.elapsed())
    }

    /// Calls a method that must succeed.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        let mut answer = Vec::new();
        let line = format!("{}\n", json!({"id": 0, "method": method, "params": params}));
        self.exchange(line.as_bytes(), &mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer.get("error").is_none(), "{method}: {answer}");
        answer.get_mut("result").map(Value::take).context("neither result nor error")
    }

    /// Creates a key and gives its id.
    pub(crate) fn create_key(&mut self) -> Result<String> {
        let created = self.call("device/key/create", &statement::binding())?;
        Ok(created.get("keyId").and_then(Value::as_str).context("keyId")?.to_owned())
    }

    pub(crate) fn initialize(&mut self) -> Result<Value> {
        self.call("initialize", &json!({"clientInfo": {"name": "bench", "version": "0"}}))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn finish(self) -> Result<()> {
        let Self { mut child, input, output: _output } = self;
        drop(input);
        ensure!(child.wait()?.success(), "a child failed");
        Ok(())
    }
}

/// The memory of a process that is in use now.
pub(crate) fn resident_megabytes(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .context("VmRSS")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
