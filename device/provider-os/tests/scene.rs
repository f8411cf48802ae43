//! A folder that meets the conditions, with a copy of this program in it, and child processes that
//! run as other users.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, geteuid, kill_process, setrlimit};
use tempfile::TempDir;

use crate::roles;

/// The user of the service. Neither this user nor the client needs an account.
pub(crate) const SERVICE: u32 = 61001;
/// The user of the client, which the class keeps out.
pub(crate) const CLIENT: u32 = 61002;

/// How long a test waits for a child. Only a failing test waits this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// The folder for scenes. It and all folders above it belong to root, unlike the usual temporary
/// folder, which every user can write.
const SAFE_PLACE: &str = "/var/lib";

pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        assert!(geteuid().is_root(), "these tests change users, which needs root");
        let folder = tempfile::Builder::new().prefix("device-key-test-").tempdir_in(SAFE_PLACE);
        let scene = Self { folder: folder.unwrap() };
        set_mode(scene.path(), 0o755);
        // The program is copied, because the build folder may be in a user's home or a shared
        // folder.
        fs::copy(std::env::current_exe().unwrap(), scene.program()).unwrap();
        set_mode(&scene.program(), 0o755);
        scene.home(SERVICE);
        scene
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path().join("program")
    }

    /// Returns a private folder that belongs to this user.
    pub(crate) fn home(&self, uid: u32) -> PathBuf {
        let home = self.path().join(format!("home-{uid}"));
        if !home.exists() {
            fs::create_dir(&home).unwrap();
            set_mode(&home, 0o700);
            chown(&home, Some(uid), Some(uid)).unwrap();
        }
        home
    }

    /// Returns a command that runs this program in a role, as this user, with unlimited core dumps.
    pub(crate) fn command(&self, uid: u32, role: &[&str]) -> Command {
        let unlimited = Rlimit { current: None, maximum: None };
        setrlimit(Resource::Core, unlimited).unwrap();
        let mut command = Command::new(self.program());
        command.arg(roles::MARK).args(role).uid(uid).gid(uid).current_dir(self.home(uid));
        command
    }

    /// Runs a child in a role. The child must succeed. Returns its standard output.
    pub(crate) fn output(&self, uid: u32, role: &[&str]) -> String {
        let output = self.command(uid, role).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{role:?}: {}", output.status);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// A child that answers questions. Each question and each answer is one line.
pub(crate) struct Talk {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Talk {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a question and returns the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        self.line()
    }

    /// Reads the next line from the child.
    pub(crate) fn line(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap();
            let mut readable = [PollFd::new(&self.from, PollFlags::IN)];
            assert_ne!(poll(&mut readable, Some(&left)).unwrap(), 0, "the child answers in time");
            let mut byte = [0];
            assert_eq!(self.from.read(&mut byte).unwrap(), 1, "the child does not end");
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// Ends the child with a signal.
    pub(crate) fn end_by(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        device_key_testing::ended(&mut self.child)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
