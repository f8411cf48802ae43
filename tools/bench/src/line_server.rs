//! A child process that answers lines with lines.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use device_key_client::{
    initialize::{self, InitializeResult},
    key::{self, KeyResult},
    read_answer, write_request,
};
use serde::{Serialize, de::DeserializeOwned};

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

    /// Makes a request that must succeed.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<T> {
        let mut answer = Vec::new();
        self.exchange(&write_request(0, method, params)?, &mut answer)?;
        result(method, &answer)
    }

    /// Creates a key and gives its id.
    pub(crate) fn create_key(&mut self) -> Result<String> {
        let created: KeyResult = self.call(key::CREATE, &statement::create(None)?)?;
        Ok(created.key_id.to_string())
    }

    pub(crate) fn initialize(&mut self) -> Result<InitializeResult> {
        self.call(initialize::METHOD, &statement::initialize())
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

/// The result in the answer to request 0, which must have succeeded.
pub(crate) fn result<T: DeserializeOwned>(method: &str, answer: &[u8]) -> Result<T> {
    let result = read_answer(answer, 0)?
        .map_err(|error| anyhow::anyhow!("{method} was refused: {}", error.message))?;
    Ok(serde_json::from_str(result.get())?)
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
