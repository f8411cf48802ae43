//! A simulated TPM for tests.

mod endorsement;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

/// How long swtpm may take to start. It took 8 to 16 ms on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// The longest path of a socket: with `.ctrl` and a final zero it fits into `sun_path` (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// A simulated TPM 2.0 for one test: the program `swtpm`, which is killed when this value is
/// dropped.
///
/// The TPM serves one connection at a time. A second connection is accepted and waits until the
/// first is closed.
#[derive(Debug)]
pub struct Swtpm {
    child: Child,
    state: PathBuf,
    /// The sockets, the files of the tools, and the state if no other folder was given.
    scratch: TempDir,
}

impl Swtpm {
    /// Starts a TPM that has never been used.
    ///
    /// # Panics Panics, as every method of this type does, if `swtpm` (Debian: swtpm) is missing or
    /// misbehaves.
    pub fn start() -> Self {
        let scratch = scratch();
        let state = scratch.path().join("state");
        fs::create_dir(&state).unwrap();
        Self::spawn(state, scratch)
    }

    /// Starts a TPM with the state that another TPM left in this folder. Only one TPM at a time can
    /// use a folder.
    pub fn start_on(state: &Path) -> Self {
        Self::spawn(fs::canonicalize(state).unwrap(), scratch())
    }

    fn spawn(state: PathBuf, scratch: TempDir) -> Self {
        let swtpm = Self { child: spawn(&state, scratch.path()), state, scratch };
        swtpm.wait_until_ready();
        swtpm
    }

    /// Returns the TPM's address as a setting has it: `unix:PATH`.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path("sock"))
    }

    /// Returns the socket that takes TPM commands.
    pub fn socket(&self) -> PathBuf {
        self.scratch.path().join("sock")
    }

    /// Returns the folder with the state. It outlives the process, and it outlives this value only
    /// if the test gave it.
    pub fn state(&self) -> &Path {
        &self.state
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
        self.child = spawn(&self.state, self.scratch.path());
        self.wait_until_ready();
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

    /// Waits until swtpm listens, because its socket exists earlier. The connection that proves
    /// this is closed again, which swtpm notices before it serves the next connection.
    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_DEADLINE;
        while let Err(error) = UnixStream::connect(self.socket()) {
            assert!(Instant::now() < deadline, "swtpm does not come up: {error}");
            thread::yield_now();
        }
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the usual temporary folder, or `/tmp` if that folder's path is too long for sockets.
fn scratch() -> TempDir {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("swtpm-");
        builder
    };
    let usual = builder().tempdir().unwrap();
    if usual.path().join("sock.ctrl").as_os_str().len() <= MAX_SOCKET_PATH {
        return usual;
    }
    builder().tempdir_in("/tmp").unwrap()
}

fn spawn(state: &Path, sockets: &Path) -> Child {
    let at = |name: &str| format!("type=unixio,path={}", sockets.join(name).display());
    for name in ["sock", "sock.ctrl"] {
        // At the first start there is no socket.
        let _ = fs::remove_file(sockets.join(name));
    }
    Command::new("swtpm")
        .args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", state.display())])
        .args(["--server", &at("sock"), "--ctrl", &at("sock.ctrl")])
        .args(["--flags", "not-need-init,startup-clear"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("swtpm is installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRK: &str = "0x81000001";

    #[test]
    fn state_outlives_the_process_and_the_handle() {
        let mut first = Swtpm::start();
        let context = first.path("primary");
        first.run_tool("tpm2_createprimary", &["-C", "o", "-G", "ecc", "-c", &context]);
        first.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, SRK]);
        first.restart();
        assert!(first.run_tool("tpm2_getcap", &["handles-persistent"]).contains(SRK));

        first.stop();
        assert!(UnixStream::connect(first.socket()).is_err());
        let second = Swtpm::start_on(first.state());
        assert_ne!(first.socket(), second.socket());
        assert!(second.run_tool("tpm2_getcap", &["handles-persistent"]).contains(SRK));
    }

    #[test]
    fn a_paused_process_answers_once_it_goes_on() {
        let swtpm = Swtpm::start();
        swtpm.pause();
        let mut asked = swtpm.tools("tpm2_getcap").arg("handles-persistent").spawn().unwrap();
        swtpm.resume();
        assert!(asked.wait().unwrap().success());
        assert!(swtpm.socket().to_str().unwrap().len() <= MAX_SOCKET_PATH);
    }
}
