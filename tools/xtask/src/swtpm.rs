//! A simulated TPM on a socket, for machines without one.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use device_key_process as process;
use tempfile::TempDir;

/// The longest path of a socket in bytes: `sun_path` has 108 with its final zero (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// How long swtpm may take to listen. It takes 20 ms on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);

/// A running swtpm. It ends, and its state is removed, when this value is dropped.
pub(crate) struct Swtpm {
    process: Child,
    folder: TempDir,
}

impl Swtpm {
    /// Starts a TPM with fresh state and waits until it listens.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_in(folder_for_sockets()?, Path::new("swtpm"))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }

    fn start_in(folder: TempDir, program: &Path) -> anyhow::Result<Self> {
        let state = folder.path().join("state");
        fs::create_dir(&state)?;
        let log = File::create(log(folder.path()))?;
        let process = die_with_us(program)
            .arg("socket")
            .arg("--tpm2")
            .arg("--tpmstate")
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", socket(folder.path()).display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", control_socket(folder.path()).display()))
            .args(["--flags", "not-need-init,startup-clear"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start swtpm")?;
        let mut started = Self { process, folder };
        started.wait_until_it_listens()?;
        Ok(started)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = self.process.try_wait()? {
                let said = fs::read_to_string(log(self.folder.path())).unwrap_or_default();
                bail!("swtpm ended before it listened ({status}): {}", said.trim());
            }
            ensure!(Instant::now() < deadline, "swtpm does not listen after {READY_WITHIN:?}");
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        Ok(())
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        // `kill` fails only if the process has ended already. The state is thrown away, so an
        // orderly end would save nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a command for `program` that the kernel ends if we end without doing so: `setpriv` asks
/// for the signal and then becomes the program. `setpriv` is part of util-linux. Without it, only
/// an interrupt from the terminal, which reaches both processes, ends the program early.
fn die_with_us(program: &Path) -> Command {
    if process::succeeds(Command::new("setpriv").args(["--pdeathsig", "KILL", "true"])) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        return command;
    }
    Command::new(program)
}

/// Makes a temporary folder whose path leaves room for the names of sockets.
fn folder_for_sockets() -> anyhow::Result<TempDir> {
    let folder = temporary_folder(&std::env::temp_dir())?;
    if has_room_for_sockets(folder.path()) {
        return Ok(folder);
    }
    temporary_folder(Path::new("/tmp"))
}

fn temporary_folder(parent: &Path) -> anyhow::Result<TempDir> {
    let parent = std::path::absolute(parent)?;
    tempfile::Builder::new()
        .prefix("device-key-swtpm-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot create a folder in {}", parent.display()))
}

fn has_room_for_sockets(folder: &Path) -> bool {
    control_socket(folder).as_os_str().len() <= LONGEST_SOCKET_PATH
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("sock")
}

/// tpm2-tools look for the control socket beside the socket, under this name.
fn control_socket(folder: &Path) -> PathBuf {
    folder.join("sock.ctrl")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn it_answers_a_command_and_ends_with_its_owner() {
        // TPM2_GetRandom of 8 bytes (TPM 2.0 part 3, section 16.1).
        let get_random = [0x80, 0x01, 0, 0, 0, 0x0c, 0, 0, 0x01, 0x7b, 0, 0x08];
        let tpm = Swtpm::start().unwrap();
        let process = PathBuf::from(format!("/proc/{}", tpm.process.id()));
        let folder = tpm.folder.path().to_path_buf();
        let mut stream = UnixStream::connect(tpm.socket()).unwrap();
        stream.write_all(&get_random).unwrap();
        let mut answer = [0; 20];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..10], [0x80, 0x01, 0, 0, 0, 20, 0, 0, 0, 0]);
        assert!(process.exists());
        drop(tpm);
        assert!(!process.exists());
        assert!(!folder.exists());
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_status() {
        let folder = folder_for_sockets().unwrap();
        let error = Swtpm::start_in(folder, Path::new("false")).err().unwrap();
        assert!(error.to_string().contains("exit status: 1"), "{error:#}");
    }

    #[test]
    fn a_deep_folder_has_no_room_for_sockets() {
        let longest =
            format!("/{}", "d".repeat(LONGEST_SOCKET_PATH - "/".len() - "/sock.ctrl".len()));
        assert!(has_room_for_sockets(Path::new(&longest)));
        assert!(!has_room_for_sockets(Path::new(&format!("{longest}d"))));
    }
}
