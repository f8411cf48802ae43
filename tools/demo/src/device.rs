use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A device of a controller: the real app-server as its child, on a TPM.
pub struct Device {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next_id: i64,
}

/// A key, as the device tells of it.
#[derive(Clone, Debug)]
pub struct DeviceKey {
    /// `keyId`
    pub key_id: String,
    /// `publicKeySpkiDerBase64`
    pub public_key: String,
    /// `protectionClass`
    pub protection_class: String,
}

impl Device {
    /// Spawns the app-server and shakes hands. `tpm` is an address such as `unix:PATH`.
    pub fn spawn(program: &Path, home: &Path, tpm: &str) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["app-server", "--allow-simulated-tpm", "--tpm", tpm, "--home"])
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(crate::log())
            .spawn()
            .with_context(|| format!("cannot spawn {}", program.display()))?;
        let input = child.stdin.take().context("a pipe")?;
        let output = BufReader::new(child.stdout.take().context("a pipe")?);
        let mut device = Self { child, input, output, next_id: 0 };
        let client = json!({"name": "controller", "version": env!("CARGO_PKG_VERSION")});
        device.ask("initialize", &json!({"clientInfo": client}))?;
        Ok(device)
    }

    /// Makes a request, which must succeed.
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        let answer = self.call(method, params)?;
        answer.map_err(|reason| anyhow::anyhow!("{method} was refused: {reason}"))
    }

    /// Makes a request: its result, or the reason why it was refused.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Result<Value, String>> {
        let request = json!({"id": self.next_id, "method": method, "params": params});
        self.next_id += 1;
        writeln!(self.input, "{request}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the device is gone")?;
        if let Some(result) = answer.get_mut("result") {
            return Ok(Ok(result.take()));
        }
        let reason = answer.pointer("/error/data/reason").and_then(Value::as_str);
        Ok(Err(reason.unwrap_or("no reason").to_owned()))
    }

    /// Creates a key for an account and a client.
    pub fn create_key(&mut self, account: &str, client: &str) -> Result<DeviceKey> {
        let binding = json!({"accountUserId": account, "clientId": client});
        let key = self.ask("device/key/create", &binding)?;
        let text = |member: &str| key.get(member).and_then(Value::as_str).map(str::to_owned);
        Ok(DeviceKey {
            key_id: text("keyId").context("keyId")?,
            public_key: text("publicKeySpkiDerBase64").context("publicKeySpkiDerBase64")?,
            protection_class: text("protectionClass").context("protectionClass")?,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
