//! Starts a simulated TPM on a socket: the program `swtpm`.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

/// The longest path of a socket in bytes: `sun_path` has 108 with its final zero (unix(7)).
pub const LONGEST_SOCKET_PATH: usize = 107;

/// How long swtpm may take to listen. It takes 8 to 20 ms on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// Makes a folder for the sockets in the usual temporary folder, or in `/tmp` if that folder's path
/// is too long for sockets.
///
/// # Errors
///
/// Fails if the folder cannot be made.
pub fn folder() -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("device-key-swtpm-");
    let usual = builder.tempdir_in(std::path::absolute(env::temp_dir())?)?;
    if has_room_for_sockets(usual.path()) {
        return Ok(usual);
    }
    Ok(builder.tempdir_in("/tmp")?)
}

/// Returns the socket in this folder that takes TPM commands.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("sock")
}

/// Starts swtpm on the TPM's `state`, with its sockets and its log in `folder`, and waits until it
/// listens. `swtpm` is the command that runs the program, still without arguments for it.
///
/// # Errors
///
/// Fails if the program cannot be started, ends, or does not listen in time. The error then holds
/// what swtpm wrote into its log.
pub fn start(swtpm: &mut Command, state: &Path, folder: &Path) -> anyhow::Result<Child> {
    let [server, control] = [socket(folder), control_socket(folder)].map(|socket| {
        // A process that ran before leaves its sockets behind.
        let _ = fs::remove_file(&socket);
        format!("type=unixio,path={}", socket.display())
    });
    let log = File::create(log(folder))?;
    let mut process = swtpm
        .args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", state.display())])
        .args(["--server", &server, "--ctrl", &control])
        .args(["--flags", "not-need-init,startup-clear"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start swtpm")?;
    let outcome = wait_until_it_listens(&mut process, folder);
    if outcome.is_err() {
        // `kill` fails only if the process has ended already.
        let _ = process.kill();
        let _ = process.wait();
    }
    outcome.map(|()| process)
}

/// Waits until swtpm accepts a connection, because its socket exists earlier. The connection is
/// closed at once, and swtpm notices this before it serves the next connection.
fn wait_until_it_listens(process: &mut Child, folder: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    while UnixStream::connect(socket(folder)).is_err() {
        if let Some(status) = process.try_wait()? {
            let said = fs::read_to_string(log(folder)).unwrap_or_default();
            bail!("swtpm ended before it listened ({status}): {}", said.trim());
        }
        ensure!(Instant::now() < deadline, "swtpm does not listen after {READY_WITHIN:?}");
        thread::sleep(BETWEEN_ATTEMPTS);
    }
    Ok(())
}

fn has_room_for_sockets(folder: &Path) -> bool {
    control_socket(folder).as_os_str().len() <= LONGEST_SOCKET_PATH
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
    use super::*;

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_status() {
        let folder = folder().unwrap();
        let error = start(&mut Command::new("false"), folder.path(), folder.path()).unwrap_err();
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
