//! How a developer command becomes root for the steps that need root.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use device_key_process as process;

/// A way to run a program as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// We are root.
    Root,
    /// sudo asks for no password.
    Sudo,
    /// sudo may ask for a password, and there is a terminal to ask on.
    SudoOnTerminal,
}

impl Privilege {
    /// The way that this process has, or `None` if it has none.
    pub(crate) fn available() -> Option<Self> {
        // The owner of this folder is the effective user of the process (proc(5)).
        if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            return Some(Self::Root);
        }
        if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
            return Some(Self::Sudo);
        }
        let can_ask =
            io::stdin().is_terminal() && process::succeeds(Command::new("sudo").arg("--version"));
        can_ask.then_some(Self::SudoOnTerminal)
    }

    /// A command that runs this program as root.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut sudo = Command::new("sudo");
        match self {
            Self::Root => return Command::new(program),
            Self::Sudo => sudo.arg("-n"),
            Self::SudoOnTerminal => &mut sudo,
        };
        sudo.arg(program);
        sudo
    }
}
