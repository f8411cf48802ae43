//! A simulated TPM for tests.

mod endorsement;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use device_key_process::swtpm;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

/// A simulated TPM 2.0 for one test: the program `swtpm`, which is killed when this value is
/// dropped.
///
/// The TPM serves one connection at a time. A second connection is accepted and waits until the
/// first is closed.
#[derive(Debug)]
pub struct Swtpm {
    child: Child,
    /// The sockets, the files of the tools, and the state.
    scratch: TempDir,
}

impl Swtpm {
    /// Starts a TPM that has never been used.
    ///
    /// # Panics
    /// Panics, like every method of this type, if `swtpm` (Debian: swtpm) is missing or fails.
    pub fn start() -> Self {
        let scratch = scratch();
        fs::create_dir(scratch.path().join("state")).unwrap();
        Self::spawn(scratch)
    }

    fn spawn(scratch: TempDir) -> Self {
        Self { child: spawn(scratch.path()), scratch }
    }

    /// Returns the TPM's address in the form that settings use: `unix:PATH`.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path("sock"))
    }

    /// Returns the socket that takes TPM commands.
    pub fn socket(&self) -> PathBuf {
        swtpm::socket(self.scratch.path())
    }

    /// Returns the path of a file that the tools write or read.
    pub fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).to_str().unwrap().to_owned()
    }

    /// Returns the TCTI by which libtss2 finds the TPM: `TPM2TOOLS_TCTI` and `TPM2OPENSSL_TCTI`.
    pub fn tcti(&self) -> String {
        format!("swtpm:path={}", self.path("sock"))
    }

    /// Returns a command that runs a program of tpm2-tools on this TPM.
    pub fn tools(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("TPM2TOOLS_TCTI", self.tcti()).stdin(Stdio::null());
        command
    }

    /// Runs a program of tpm2-tools, which must succeed, and returns its output.
    pub fn run_tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.tools(program).args(arguments).output().expect("tpm2-tools is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?} failed: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Kills the process, as a power cut does. The socket stays behind and refuses connections.
    pub fn stop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills the process and starts another on the same state and socket, as a reboot does.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(self.scratch.path());
    }

    /// Pauses the process. Connections stay open, and nothing is answered.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "swtpm ended instead of stopping");
    }

    /// Lets the process go on after [`Swtpm::pause`].
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

fn scratch() -> TempDir {
    swtpm::folder().unwrap()
}

fn spawn(folder: &Path) -> Child {
    let started = swtpm::start(&mut Command::new("swtpm"), &folder.join("state"), folder);
    started.expect("swtpm is installed and starts")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const SRK: &str = "0x81000001";

    #[test]
    fn state_outlives_the_process() {
        let mut first = Swtpm::start();
        let context = first.path("primary");
        first.run_tool("tpm2_createprimary", &["-C", "o", "-G", "ecc", "-c", &context]);
        first.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, SRK]);
        first.restart();
        assert!(first.run_tool("tpm2_getcap", &["handles-persistent"]).contains(SRK));

        first.stop();
        assert!(UnixStream::connect(first.socket()).is_err());
    }

    #[test]
    fn a_paused_process_answers_once_it_goes_on() {
        let swtpm = Swtpm::start();
        swtpm.pause();
        let mut asked = swtpm.tools("tpm2_getcap").arg("handles-persistent").spawn().unwrap();
        swtpm.resume();
        assert!(crate::ended(&mut asked).success());
        assert!(swtpm.socket().to_str().unwrap().len() <= swtpm::LONGEST_SOCKET_PATH);
    }
}
