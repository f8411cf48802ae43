//! Hardening: the restrictions that a service process puts on itself before it handles a key. Only
//! exec could undo them, and the system call filter forbids exec.

pub(crate) mod error;
pub(crate) mod report;
mod rules;
pub(crate) mod settings;
mod system_calls;

use std::path::PathBuf;
use std::{fs, io};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

use self::error::HardeningError;
use self::report::{HardeningReport, HardeningStep, Outcome, StepReport};
use self::settings::Hardening;
use crate::sys;

/// Hardens the process. Call it after any change of user, because that may make the process
/// dumpable again, and before a second thread is started, because most steps affect only the
/// calling thread and the threads that it starts later.
///
/// A step that the kernel lacks is reported and left out, except the steps that are conditions of
/// the class: dumpable, `no_new_privs` and core dumps.
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
        // Landlock comes before the filter, because the filter forbids Landlock's system calls.
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

/// The kernel has this step since Linux 6.3; an older kernel answers `EINVAL`.
fn refuse_written_code() -> Result<StepReport, HardeningError> {
    let step = HardeningStep::NoWrittenCode;
    match sys::refuse_written_code() {
        Ok(()) => Ok(StepReport { step, outcome: Outcome::Done }),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok(StepReport { step, outcome: Outcome::Unsupported })
        }
        // The protection is already on, for example by systemd's MemoryDenyWriteExecute=. The
        // kernel then refuses a second call with other flags.
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
