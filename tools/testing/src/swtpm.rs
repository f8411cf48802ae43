mod endorsement;

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

/// How long swtpm may take to come up; 8 to 16 ms were measured on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A socket's path, its `.ctrl` sibling included, fits into `sun_path` with a final zero (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// A simulated TPM 2.0 of its own for one test: the program `swtpm`, killed when this is dropped.
///
/// It serves one connection at a time. A second one is accepted and waits until the first is closed.
#[derive(Debug)]
pub struct Swtpm {
    child: Child,
    state: PathBuf,
    /// The sockets, what the tools write, and the state where no other folder was given.
    scratch: TempDir,
}

impl Swtpm {
    /// Starts one that has never been used.
    ///
    /// # Panics
    /// As every method here, when `swtpm` (Debian: swtpm) is missing or does what it should not.
    pub fn start() -> Self {
        let scratch = scratch();
        let state = scratch.path().join("state");
        fs::create_dir(&state).unwrap();
        Self::spawn(state, scratch)
    }

    /// Starts one with the state that another left in this folder. Only one at a time can use it.
    pub fn start_on(state: &Path) -> Self {
        Self::spawn(fs::canonicalize(state).unwrap(), scratch())
    }

    fn spawn(state: PathBuf, scratch: TempDir) -> Self {
        let swtpm = Self { child: spawn(&state, scratch.path()), state, scratch };
        swtpm.wait_until_ready();
        swtpm
    }

    /// Its address as a setting has it: `unix:PATH`.
    pub fn address(&self) -> String {
        format!("unix:{}", self.path("sock"))
    }

    /// The socket that takes TPM commands.
    pub fn socket(&self) -> PathBuf {
        self.scratch.path().join("sock")
    }

    /// The folder with the state, which outlives the process but not this value, unless it was given.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The path of a file for the tools to write to and read from.
    pub fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).to_str().unwrap().to_owned()
    }

    /// The TCTI with which libtss2 finds it: `TPM2TOOLS_TCTI` and `TPM2OPENSSL_TCTI`.
    pub fn tcti(&self) -> String {
        format!("swtpm:path={}", self.path("sock"))
    }

    /// A program of tpm2-tools, set up to speak to this TPM.
    pub fn tools(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("TPM2TOOLS_TCTI", self.tcti()).stdin(Stdio::null());
        command
    }

    /// Runs a program of tpm2-tools, which must succeed, and returns what it printed.
    pub fn run_tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.tools(program).args(arguments).output().expect("tpm2-tools is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?} failed: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Kills the process, as a power cut does. The socket stays behind and refuses connections.
    pub fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills the process and starts another on the same state and socket, as a reboot does.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.state, self.scratch.path());
        self.wait_until_ready();
    }

    /// Stops the process in its tracks; connections stay open and nothing is answered.
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

    /// The socket is there before it is listened on. The connection that proves readiness is closed
    /// again, which swtpm notices before it serves the next.
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

/// The usual temporary folder, or `/tmp` where that is too deep for sockets.
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
        // There is none at the first start.
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
