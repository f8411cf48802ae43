use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::exit::Failure;

/// An app-server of our own, as a client would spawn it.
pub(super) struct AppServerChild {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next_id: i64,
}

impl AppServerChild {
    /// Spawns this very program as `app-server` with the given arguments.
    pub(super) fn spawn(arguments: &[std::ffi::OsString]) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::system("cannot spawn the app-server", &error);
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("app-server")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) =
            pipes.ok_or_else(|| Failure::system("cannot spawn the app-server", &"no pipes"))?;
        Ok(Self { child, input, output: BufReader::new(output), next_id: 0 })
    }

    /// Sends one request and waits for its answer: the whole JSON-RPC message.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        let lost = |cause: &dyn std::fmt::Display| Failure::system("the app-server is gone", cause);
        let request = json!({"id": self.next_id, "method": method, "params": params});
        self.next_id += 1;
        writeln!(self.input, "{request}").map_err(|error| lost(&error))?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| lost(&error))?;
        serde_json::from_str(&line).map_err(|error| lost(&error))
    }

    /// Ends the input and waits; whether the app-server ended well.
    pub(super) fn finish(mut self) -> Result<bool, Failure> {
        drop(self.input);
        self.child
            .wait()
            .map(|status| status.success())
            .map_err(|error| Failure::system("cannot wait for the app-server", &error))
    }
}
