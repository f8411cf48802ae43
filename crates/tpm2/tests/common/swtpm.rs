//! A real swtpm in a temporary folder, killed by its handle when the test ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use device_key_tpm2::{OsRandom, Tpm, TpmAddress, Transport, TransportError};
use tempfile::TempDir;

pub(crate) struct Swtpm {
    child: Child,
    folder: TempDir,
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl Swtpm {
    /// Starts one with new state.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(folder.path());
        let swtpm = Self { child, folder };
        swtpm.wait_until_ready();
        swtpm
    }

    /// Kills the process and starts another on the same state, as a reboot does.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.folder.path());
        self.wait_until_ready();
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn address(&self) -> TpmAddress {
        format!("unix:{}", self.socket()).parse().unwrap()
    }

    pub(crate) fn connect(&self) -> Box<dyn Transport> {
        self.address().connect(soon()).unwrap()
    }

    pub(crate) fn tpm(&self) -> Tpm {
        Tpm::new(self.connect(), Box::new(OsRandom))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Runs a program of tpm2-tools against this TPM and returns what it printed.
    pub(crate) fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .env("TPM2TOOLS_TCTI", format!("swtpm:path={}", self.socket()))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn socket(&self) -> String {
        self.path("sock")
    }

    /// A socket file that is there answers a connect at once or refuses it, so this never spins for long.
    fn wait_until_ready(&self) {
        let deadline = soon();
        loop {
            match self.address().connect(deadline) {
                Ok(_) => return,
                Err(TransportError::Absent | TransportError::Disconnected)
                    if Instant::now() < deadline =>
                {
                    std::thread::yield_now();
                }
                Err(error) => panic!("swtpm does not come up: {error}"),
            }
        }
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path) -> Child {
    let at = |name: &str| format!("type=unixio,path={}", folder.join(name).display());
    for name in ["sock", "sock.ctrl"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    Command::new("swtpm")
        .args(["socket", "--tpm2"])
        .args(["--tpmstate", &format!("dir={}", folder.display())])
        .args(["--server", &at("sock"), "--ctrl", &at("sock.ctrl")])
        .args(["--flags", "not-need-init,startup-clear"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("swtpm must be installed (Debian: swtpm)")
}
