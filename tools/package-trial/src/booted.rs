//! Boots a Debian, so that systemd runs in it, apart from this machine's processes and network.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use device_key_process as process;

use crate::debian::{Debian, with_environment_of_system};

/// How long a boot may take. It took 2 s on an idle machine.
const BOOTED_WITHIN: Duration = Duration::from_mins(2);

/// The socket inside, on which systemd says that it has booted (`sd_notify(3)`).
const NOTIFY: &str = "notify";

/// Runs systemd in namespaces of its own, which end together with it. The settings of the whole
/// machine, in /proc/sys and /sys, are out of its reach.
const BOOT: &str = r#"
set -e
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
exec chroot . env -i container=trial NOTIFY_SOCKET=/notify /lib/systemd/systemd --unit=basic.target
"#;

/// The running system. Every process in it is killed when this value is dropped.
pub(crate) struct Booted<'a> {
    process: Child,
    /// The process id of systemd on this machine.
    init: u32,
    _debian: &'a Debian,
}

impl<'a> Booted<'a> {
    /// Boots the system and waits until every unit is started.
    pub(crate) fn boot(debian: &'a Debian) -> anyhow::Result<Self> {
        // The path of a socket must be short (unix(7)), and the path of a build folder may be long.
        let short = tempfile::tempdir()?;
        let root = short.path().join("root");
        symlink(debian.path("/"), &root)?;
        let notify = UnixDatagram::bind(root.join(NOTIFY))?;
        let log = debian.path("boot.log");
        let mut process = Command::new("unshare")
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"])
            .args(["--fork", "--kill-child", "sh", "-c", BOOT])
            .arg(debian.path("/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        match wait_until_booted(&mut process, &notify) {
            Ok(init) => Ok(Self { process, init, _debian: debian }),
            Err(error) => {
                // --kill-child kills systemd too.
                let _ = process.kill();
                let _ = process.wait();
                Err(error.context(fs::read_to_string(log)?))
            }
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.init))
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd=/"])
            .arg(program);
        with_environment_of_system(&mut command);
        command
    }

    /// Runs a command inside, which must succeed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        process::quiet(self.command(program).args(arguments))
    }

    /// Returns what a command inside prints.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        process::output(self.command(program).args(arguments))
    }

    /// Returns what these units log, and what systemd logs about them.
    pub(crate) fn journal(&self, units: &str) -> String {
        self.output("journalctl", &["--no-pager", "--boot", "--unit", units])
            .unwrap_or_else(|error| format!("there is no journal: {error:#}"))
    }
}

impl Drop for Booted<'_> {
    fn drop(&mut self) {
        // When systemd ends, the kernel kills every other process of the namespace before unshare
        // sees the end (pid_namespaces(7)). So no process writes into the folder any more.
        let init = self.init.to_string();
        if !process::succeeds(Command::new("sh").args(["-c", "kill -KILL \"$0\"", &init])) {
            // systemd has ended already, and unshare is about to end.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Waits until systemd says that it has booted, and returns its process id.
fn wait_until_booted(process: &mut Child, notify: &UnixDatagram) -> anyhow::Result<u32> {
    let deadline = Instant::now() + BOOTED_WITHIN;
    let mut message = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "systemd did not boot within {BOOTED_WITHIN:?}");
        // systemd may end without a message.
        notify.set_read_timeout(Some(left.min(Duration::from_secs(1))))?;
        if let Ok(length) = notify.recv(&mut message) {
            let said = String::from_utf8_lossy(message.get(..length).unwrap_or_default());
            if said.lines().any(|line| line == "READY=1") {
                break;
            }
        }
        ensure!(process.try_wait()?.is_none(), "systemd ended before it had booted");
    }
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let init = children.split_whitespace().next().context("unshare has no child")?;
    Ok(init.parse()?)
}
