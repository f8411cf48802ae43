//! Measures the service on a Unix socket with OS-protected keys, the least that its work needs, and
//! OpenSSH's agent, all in turns.
//!
//! OS-protected keys need three users: the user of the service, the user of the client, and root to
//! start both. This part therefore runs as root. Its client is a child process of another user that
//! plays all the clients.

mod agent;
mod client;
mod floor;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::figures::{Figures, Samples};
use crate::line_server::resident_megabytes;

pub(crate) use client::{Arguments, run as client};
pub(crate) use floor::serve as floor;

/// The user of the service and the user of the client. Neither has an account.
const SERVICE: u32 = 61_001;
const CLIENT: u32 = 61_002;
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The measurements of the client.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    ours: Samples,
    floor: Samples,
    relayed: Samples,
    agent: Samples,
    /// Signatures per second with eight concurrent connections.
    ours_at_once: f64,
    floor_at_once: f64,
    agent_at_once: f64,
}

/// Starts the three servers, has the client measure them, and stops them.
pub(crate) fn measure(figures: &mut Figures, device_key: &Path) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the service part runs as root: it starts programs of two other users"
    );
    // No folder above the program and its keys may be writable for other users.
    let folder = tempfile::Builder::new().prefix("device-key-bench-").tempdir_in("/var/lib")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("device-key");
    fs::copy(device_key, &program)?;
    let ours = start_service(folder.path(), &program)?;
    let floor = start_floor(folder.path())?;
    let agent = agent::start(folder.path(), CLIENT)?;

    let output = as_user(&mut Command::new(std::env::current_exe()?), CLIENT)
        .arg("service-client")
        .args(["--ours".as_ref(), ours.socket.as_os_str()])
        .args(["--floor".as_ref(), floor.socket.as_os_str()])
        .args(["--agent".as_ref(), agent.socket.as_os_str()])
        .args(["--device-key".as_ref(), program.as_os_str()])
        .args(["--service-uid", &SERVICE.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the client failed");
    let measured: Measured = serde_json::from_slice(&output.stdout)?;
    let resident = resident_megabytes(ours.child.id())?;
    for server in [ours, floor, agent] {
        server.stop()?;
    }
    report(figures, &measured, resident);
    Ok(())
}

fn report(figures: &mut Figures, measured: &Measured, resident: f64) {
    let Measured { ours, floor, relayed, agent, .. } = measured;
    let per_second = |samples: &Samples| 1e6 / samples.median();
    figures.add("sign over a Unix socket / floor, p50", ours.median() / floor.median(), 1.4, "x");
    figures.at_least(
        "signatures per second on 8 connections / floor",
        measured.ours_at_once / measured.floor_at_once,
        0.65,
        "x",
    );
    figures.at_least(
        "signatures per second / ssh-agent's",
        per_second(ours) / per_second(agent),
        5.0,
        "x",
    );
    figures.at_least(
        "signatures per second on 8 connections / ssh-agent",
        measured.ours_at_once / measured.agent_at_once,
        8.0,
        "x",
    );
    figures.add("the relay adds, p50", relayed.median() - ours.median(), 40.0, "µs");
    figures.add("resident memory of the service after all this", resident, 10.0, "MB");
    figures.detail("sign over a Unix socket, OS-protected key", ours);
    figures.detail("sign over a Unix socket through the relay", relayed);
    figures.detail("floor: socket, parse, look up, write, sign, answer", floor);
    figures.detail("ssh-agent, ECDSA P-256", agent);
    figures.note(format!(
        "8 connections at once, signatures/s: {:.0}, floor {:.0}, ssh-agent {:.0}",
        measured.ours_at_once, measured.floor_at_once, measured.agent_at_once
    ));
}

/// A server that this part measures.
pub(crate) struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    /// Waits until the server accepts connections.
    fn started(mut child: Child, socket: PathBuf) -> Result<Self> {
        let deadline = Instant::now() + START_TIMEOUT;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            ensure!(child.try_wait()?.is_none(), "the server of {} exited", socket.display());
            ensure!(Instant::now() < deadline, "{} did not open in time", socket.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { child, socket })
    }

    fn stop(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

fn start_service(folder: &Path, program: &Path) -> Result<Server> {
    let (home, run) = (folder_of(SERVICE, folder, "home")?, folder_of(SERVICE, folder, "run")?);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
    let socket = run.join("device-key.sock");
    let child = as_user(&mut Command::new(program), SERVICE)
        .args(["app-server", "--service", "--provider", "os", "--home"])
        .arg(&home)
        .args(["--listen", &format!("unix://{}", socket.display())])
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("spawn the service")?;
    Server::started(child, socket)
}

fn start_floor(folder: &Path) -> Result<Server> {
    let socket = folder_of(SERVICE, folder, "floor")?.join("floor.sock");
    let child = as_user(&mut Command::new(std::env::current_exe()?), SERVICE)
        .arg("service-floor")
        .arg(&socket)
        .stdin(Stdio::null())
        .spawn()
        .context("spawn the floor")?;
    Server::started(child, socket)
}

/// Makes a folder that belongs to this user.
fn folder_of(uid: u32, parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    fs::create_dir(&folder)?;
    chown(&folder, Some(uid), Some(uid))?;
    Ok(folder)
}

/// Makes the command run as a user and the user's group, with an empty environment.
pub(crate) fn as_user(command: &mut Command, uid: u32) -> &mut Command {
    command.uid(uid).gid(uid).env_clear().current_dir("/")
}
