//! What must hold for keys to be OS-protected. Each condition is looked at by descriptor and reported
//! by itself, with what was found and what to do about it; what cannot be found out does not hold.

mod caller;
mod files;
mod keys;
mod process;
mod program;
mod trust;

use std::path::PathBuf;

use device_key_private_fs::PrivateDir;
use device_key_types::OsProtectionCondition;
use rustix::process::{geteuid, getuid};

pub use caller::evaluate_caller;
pub(crate) use caller::failing_caller_condition;

/// What was found out about one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionReport {
    /// The condition.
    pub condition: OsProtectionCondition,
    /// What was found.
    pub found: String,
    /// What to do about it; `None` if the condition holds.
    pub cure: Option<String>,
}

impl ConditionReport {
    /// Whether the condition holds.
    pub const fn holds(&self) -> bool {
        self.cure.is_none()
    }

    fn new(condition: OsProtectionCondition, checked: Result<String, Fault>) -> Self {
        match checked {
            Ok(found) => Self { condition, found, cure: None },
            Err(Fault { found, cure }) => Self { condition, found, cure: Some(cure) },
        }
    }
}

/// What is judged: this process, its key folder, and the files that it obeys.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The folder of key files.
    pub keys: &'a PrivateDir,
    /// The configuration files, also those that do not exist.
    pub configuration: &'a [PathBuf],
}

/// Every condition that does not depend on the caller, in the order in which the first that does not
/// hold is told to clients. It reads every key file and looks at every library.
pub fn evaluate(subject: &Subject<'_>) -> Vec<ConditionReport> {
    let service = Service::current();
    one_each(evaluate_swiftly(subject, service), evaluate_contents(subject, service))
}

/// One report a condition: of two, the one that does not hold, or else the one that took longer.
pub(crate) fn one_each(
    mut reports: Vec<ConditionReport>,
    contents: Vec<ConditionReport>,
) -> Vec<ConditionReport> {
    for slow in contents {
        match reports.iter_mut().find(|report| report.condition == slow.condition) {
            Some(swift) if swift.holds() => *swift = slow,
            Some(_) => {}
            None => reports.push(slow),
        }
    }
    reports
}

/// What can be found out in some dozen system calls, however many keys there are.
pub(crate) fn evaluate_swiftly(subject: &Subject<'_>, service: Service) -> Vec<ConditionReport> {
    use OsProtectionCondition as Condition;
    vec![
        ConditionReport::new(Condition::UserNamespace, process::user_namespace()),
        ConditionReport::new(Condition::Dumpable, process::dumpable()),
        ConditionReport::new(Condition::NewPrivileges, process::new_privileges()),
        ConditionReport::new(Condition::CoreDumps, process::core_dumps()),
        ConditionReport::new(Condition::FileSystem, keys::file_system(subject.keys)),
        ConditionReport::new(Condition::KeyFolder, keys::folder(subject.keys, service)),
        ConditionReport::new(Condition::Ancestors, keys::ancestors(subject.keys, service)),
        ConditionReport::new(Condition::Binary, program::executable(service)),
        ConditionReport::new(Condition::Configuration, files::all(subject.configuration, service)),
    ]
}

/// What takes longer with every key and library.
pub(crate) fn evaluate_contents(subject: &Subject<'_>, service: Service) -> Vec<ConditionReport> {
    use OsProtectionCondition as Condition;
    vec![
        ConditionReport::new(Condition::KeyFolder, keys::files(subject.keys)),
        ConditionReport::new(Condition::ImportedKey, keys::imported(subject.keys)),
        ConditionReport::new(Condition::Binary, program::libraries(service)),
    ]
}

/// The user ids of this process. A client with either of them is the service itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    effective: u32,
    real: u32,
}

impl Service {
    pub(crate) fn current() -> Self {
        Self { effective: geteuid().as_raw(), real: getuid().as_raw() }
    }

    pub(crate) const fn has(self, uid: u32) -> bool {
        uid == self.effective || uid == self.real
    }
}

/// A condition that does not hold.
#[derive(Debug)]
struct Fault {
    found: String,
    cure: String,
}

impl Fault {
    fn new(found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { found: found.into(), cure: cure.into() }
    }

    /// What cannot be found out does not hold.
    fn unknown(what: &str, error: impl std::fmt::Display) -> Self {
        Self::new(
            format!("{what} cannot be looked at: {error}"),
            "let the service look at it, and mount /proc",
        )
    }
}
