//! The client of a server that answers lines with lines, over a socket or as a child process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use device_key_client::initialize::{self, InitializeResult};
use device_key_client::key::{self, KeyResult};
use device_key_client::{read_answer, write_request};
use device_key_types::ProtectionPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::statement;

/// A connection to a server that answers lines with lines.
pub(crate) struct Lines {
    output: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
    answer: Vec<u8>,
}

impl Lines {
    fn over(output: impl Write + Send + 'static, input: impl BufRead + Send + 'static) -> Self {
        Self { output: Box::new(output), input: Box::new(input), answer: Vec::new() }
    }

    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self::over(stream.try_clone()?, BufReader::new(stream)))
    }

    /// Sends one line and waits for the answer's line.
    pub(crate) fn exchange(&mut self, line: &[u8]) -> Result<()> {
        self.answer.clear();
        self.output.write_all(line)?;
        self.input.read_until(b'\n', &mut self.answer)?;
        Ok(())
    }

    /// As [`exchange`](Self::exchange), for a request that must succeed.
    pub(crate) fn succeed(&mut self, line: &[u8]) -> Result<()> {
        self.exchange(line)?;
        let is_result = self.answer.starts_with(b"{\"id\":0,\"result\":");
        ensure!(is_result, "{}", String::from_utf8_lossy(&self.answer));
        Ok(())
    }

    /// Makes a request that must succeed.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<T> {
        self.exchange(&write_request(0, method, params)?)?;
        self.result()
    }

    /// Reads the last answer, which must be a result.
    pub(crate) fn result<T: DeserializeOwned>(&self) -> Result<T> {
        let result = read_answer(&self.answer, 0)?
            .map_err(|error| anyhow::anyhow!("a request was refused: {}", error.message))?;
        Ok(serde_json::from_str(result.get())?)
    }

    /// Creates a key and gives its id.
    pub(crate) fn create_key(&mut self, policy: Option<ProtectionPolicy>) -> Result<String> {
        let created: KeyResult = self.call(key::CREATE, &statement::create(policy)?)?;
        Ok(created.key_id.to_string())
    }

    pub(crate) fn initialize(&mut self) -> Result<InitializeResult> {
        self.call(initialize::METHOD, &statement::initialize())
    }
}

/// A child process that answers lines with lines.
pub(crate) struct LineServer {
    child: Child,
    pub(crate) lines: Lines,
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
        Ok(Self { child, lines: Lines::over(input, output) })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.lines);
        ensure!(self.child.wait()?.success(), "a child failed");
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
