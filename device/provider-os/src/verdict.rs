//! The last verdict on the conditions that do not depend on the caller, and its renewal.
//!
//! A check makes system calls, some of which wait for a disk. So the thread that serves requests
//! never checks: it uses the last verdict, and asks for a renewal on a thread of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use device_key_private_fs::PrivateDir;
use device_key_types::OsProtectionCondition;

use crate::conditions::key_files::KeyFiles;
use crate::conditions::report::ConditionReport;
use crate::conditions::service_user::ServiceUser;
use crate::conditions::{Subject, evaluate_changes};
use crate::error::OperationError;
use crate::settings::OsSettings;

/// The shortest time between two renewals, so that a flood of handshakes does not keep a processor
/// busy with checks. A check takes less than a millisecond.
const PAUSE: Duration = Duration::from_millis(50);

/// The stack of the thread that renews. The thread calls no deeper than the checks.
const STACK_BYTES: usize = 256 * 1024;

/// The last verdict. Clones share it.
#[derive(Clone)]
pub(crate) struct LatestVerdict(Arc<Shared>);

struct Shared {
    keys: PrivateDir,
    settings: Arc<OsSettings>,
    service: ServiceUser,
    /// Locked during a whole check, so that verdicts are recorded in the order of their checks.
    key_files: Mutex<KeyFiles>,
    recorded: Mutex<Recorded>,
}

/// This is locked only to read or to write it, never during a check.
#[derive(Default)]
struct Recorded {
    /// `None` until a check finds out whether the conditions hold.
    verdict: Option<Verdict>,
    renewal: Renewal,
}

/// Whether the conditions hold, or the first condition that does not.
type Verdict = Result<(), OsProtectionCondition>;

#[derive(Clone, Copy, Default)]
enum Renewal {
    #[default]
    Idle,
    /// A thread checks, or has just checked.
    Running,
    /// The thread will check once more.
    RunningAndAsked,
}

impl LatestVerdict {
    pub(crate) fn new(keys: PrivateDir, settings: Arc<OsSettings>, service: ServiceUser) -> Self {
        let (key_files, recorded) = Default::default();
        Self(Arc::new(Shared { keys, settings, service, key_files, recorded }))
    }

    /// Checks every condition now and records the verdict.
    ///
    /// A passing fault of the system says nothing about a condition, so the last verdict remains.
    pub(crate) fn check(&self) -> Vec<ConditionReport> {
        let Shared { keys, settings, service, key_files, .. } = &*self.0;
        let mut key_files = key_files.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = Subject { keys, configuration: &settings.configuration };
        let reports = evaluate_changes(&subject, *service, &mut key_files);
        let failing = reports.iter().find(|report| !report.holds() && !report.is_transient);
        if let Some(report) = failing {
            self.recorded().verdict = Some(Err(report.condition));
        } else if reports.iter().all(ConditionReport::holds) {
            self.recorded().verdict = Some(Ok(()));
        }
        reports
    }

    /// Checks every condition now. Fails with the first condition that does not hold.
    pub(crate) fn require_now(&self) -> Result<(), OperationError> {
        let (passing, failing): (Vec<_>, Vec<_>) = self
            .check()
            .into_iter()
            .filter(|report| !report.holds())
            .partition(|report| report.is_transient);
        if let Some(ConditionReport { condition, found, .. }) = failing.into_iter().next() {
            return Err(OperationError::Condition { condition, found });
        }
        match passing.into_iter().next() {
            Some(ConditionReport { condition, found, .. }) => {
                Err(OperationError::NotChecked { condition, found })
            }
            None => Ok(()),
        }
    }

    /// Fails if a condition did not hold at the last check, or if no check succeeded yet. Makes no
    /// system call if the conditions hold; otherwise it asks for a renewal, because the fault may
    /// be gone.
    pub(crate) fn require_latest(&self) -> Result<(), OperationError> {
        let verdict = self.recorded().verdict.ok_or(OperationError::NeverChecked);
        let required = verdict.and_then(|verdict| verdict.map_err(OperationError::Recorded));
        required.inspect_err(|_| self.renew_soon())
    }

    /// Has a thread check the conditions. Returns at once.
    pub(crate) fn renew_soon(&self) {
        let mut recorded = self.recorded();
        recorded.renewal = match recorded.renewal {
            Renewal::Running | Renewal::RunningAndAsked => Renewal::RunningAndAsked,
            Renewal::Idle => {
                let own = self.clone();
                let thread = thread::Builder::new()
                    .name("os-conditions".to_owned())
                    .stack_size(STACK_BYTES)
                    .spawn(move || own.renew());
                // Without a thread the next request asks again.
                if thread.is_ok() { Renewal::Running } else { Renewal::Idle }
            }
        };
    }

    fn renew(&self) {
        loop {
            self.check();
            thread::sleep(PAUSE);
            let mut recorded = self.recorded();
            match recorded.renewal {
                Renewal::RunningAndAsked => recorded.renewal = Renewal::Running,
                Renewal::Running | Renewal::Idle => {
                    recorded.renewal = Renewal::Idle;
                    return;
                }
            }
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
