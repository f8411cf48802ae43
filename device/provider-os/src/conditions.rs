//! What must hold for keys to be OS-protected. Each condition is looked at by descriptor and reported
//! by itself, with what was found and what to do about it; what cannot be found out does not hold.

pub(crate) mod caller;
mod files;
mod keys;
mod process;
mod program;
pub(crate) mod report;
pub(crate) mod service_user;

use std::path::PathBuf;

use device_key_private_fs::PrivateDir;
use device_key_types::OsProtectionCondition as Condition;

use self::{report::ConditionReport, service_user::ServiceUser};

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
    let service = ServiceUser::current();
    merge(evaluate_quick(subject, service), evaluate_files(subject, service))
}

/// One report a condition: of two, the one that does not hold, or else the one that took longer.
pub(crate) fn merge(
    mut quick: Vec<ConditionReport>,
    files: Vec<ConditionReport>,
) -> Vec<ConditionReport> {
    for report in files {
        match quick.iter_mut().find(|known| known.condition == report.condition) {
            Some(known) if known.holds() => *known = report,
            Some(_) => {}
            None => quick.push(report),
        }
    }
    quick
}

/// What can be found out in some dozen system calls, however many keys there are.
pub(crate) fn evaluate_quick(subject: &Subject<'_>, service: ServiceUser) -> Vec<ConditionReport> {
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
pub(crate) fn evaluate_files(subject: &Subject<'_>, service: ServiceUser) -> Vec<ConditionReport> {
    vec![
        ConditionReport::new(Condition::KeyFolder, keys::files(subject.keys)),
        ConditionReport::new(Condition::ImportedKey, keys::imported(subject.keys)),
        ConditionReport::new(Condition::Binary, program::libraries(service)),
    ]
}
