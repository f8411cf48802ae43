//! What a service process does to itself before it handles a key. Not undone by anything but exec,
//! which the filter forbids.

mod report;
mod rules;
mod system_calls;

use std::{fs, io, path::PathBuf};

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    thread::set_no_new_privs,
};

use crate::sys;

pub use report::{HardeningReport, HardeningStep, Outcome, StepReport};

/// What the process keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardening {
    network: Network,
    read: Vec<PathBuf>,
    read_write: Vec<PathBuf>,
    devices: Vec<PathBuf>,
}

/// Which sockets the process may still make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Unix sockets.
    UnixOnly,
    /// TCP and UDP as well, for a WebSocket listener or an exporter.
    Internet,
}

impl Hardening {
    /// No files but the process's own `/proc/self` and what gives random bytes.
    pub const fn new(network: Network) -> Self {
        Self { network, read: Vec::new(), read_write: Vec::new(), devices: Vec::new() }
    }

    /// With a file, or everything in a folder, to read. It must exist when hardening begins, as with
    /// the two below.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// With a file, or everything in a folder, to read, write, make and remove: state, and the
    /// folders of sockets.
    #[must_use]
    pub fn read_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.read_write.push(path.into());
        self
    }

    /// With a device to talk to: a TPM.
    #[must_use]
    pub fn device(mut self, path: impl Into<PathBuf>) -> Self {
        self.devices.push(path.into());
        self
    }
}

/// The process could not be hardened. It must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardeningError {
    /// Other threads run, which some of the steps would not reach.
    #[error("hardening must come before the second thread, and there are {count}")]
    Threads {
        /// How many threads there are.
        count: usize,
    },
    /// A file or folder that the process is to keep cannot be opened.
    #[error("{} cannot be kept accessible", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a step that every supported kernel can do.
    #[error("{step} failed")]
    Step {
        /// The step.
        step: HardeningStep,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Hardens the process, in this order. After any change of user, because that may make the process
/// dumpable again; before any second thread, because most of it is the thread's own, and handed down.
///
/// What a kernel lacks is reported and left out, except what is a condition of the class: dumpable,
/// `no_new_privs` and core dumps.
pub fn harden(hardening: &Hardening) -> Result<HardeningReport, HardeningError> {
    refuse_other_threads()?;
    let steps = vec![
        step(HardeningStep::NotDumpable, set_dumpable_behavior(DumpableBehavior::NotDumpable))?,
        step(HardeningStep::NoNewPrivileges, set_no_new_privs(true))?,
        step(
            HardeningStep::NoCoreDumps,
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }),
        )?,
        refuse_written_code()?,
        // Before the filter, which lacks Landlock's own system calls.
        rules::restrict(hardening)?,
        system_calls::filter(hardening.network)?,
    ];
    Ok(HardeningReport { steps })
}

fn step(step: HardeningStep, result: rustix::io::Result<()>) -> Result<StepReport, HardeningError> {
    match result {
        Ok(()) => Ok(StepReport { step, outcome: Outcome::Done }),
        Err(errno) => Err(HardeningError::Step { step, source: errno.into() }),
    }
}

/// Since Linux 6.3; `EINVAL` before that.
fn refuse_written_code() -> Result<StepReport, HardeningError> {
    let step = HardeningStep::NoWrittenCode;
    match sys::refuse_written_code() {
        Ok(()) => Ok(StepReport { step, outcome: Outcome::Done }),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok(StepReport { step, outcome: Outcome::Unsupported })
        }
        // Already on, by systemd's MemoryDenyWriteExecute=: what is on cannot be asked for anew
        // with other flags.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(StepReport { step, outcome: Outcome::Done })
        }
        Err(error) => Err(HardeningError::Step { step, source: error.into() }),
    }
}

fn refuse_other_threads() -> Result<(), HardeningError> {
    let tasks = PathBuf::from("/proc/self/task");
    match fs::read_dir(&tasks) {
        Ok(tasks) => match tasks.count() {
            1 => Ok(()),
            count => Err(HardeningError::Threads { count }),
        },
        Err(source) => Err(HardeningError::Path { path: tasks, source }),
    }
}
