//! A simulated TPM on a socket, for machines without one.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use device_key_process::{self as process, swtpm};
use tempfile::TempDir;

/// A running swtpm. It ends, and its state is removed, when this value is dropped.
pub(crate) struct Swtpm {
    process: Child,
    folder: TempDir,
}

impl Swtpm {
    /// Starts a TPM with fresh state and waits until it listens.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = swtpm::folder()?;
        let state = folder.path().join("state");
        fs::create_dir(&state)?;
        let process = swtpm::start(&mut die_with_us("swtpm"), &state, folder.path())?;
        Ok(Self { process, folder })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        swtpm::socket(self.folder.path())
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

/// Returns a command for `program` that the kernel ends if we end first: `setpriv` asks
/// for the signal and then becomes the program. `setpriv` is part of util-linux. Without it, only
/// an interrupt from the terminal, which reaches both processes, ends the program early.
fn die_with_us(program: &str) -> Command {
    if process::succeeds(Command::new("setpriv").args(["--pdeathsig", "KILL", "true"])) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        return command;
    }
    Command::new(program)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

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
}
