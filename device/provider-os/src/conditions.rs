//! The conditions under which keys are OS-protected. Each condition is checked on open descriptors
//! and reported separately, with what was found and how to fix it. A condition that cannot be
//! checked does not hold.

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

use self::report::ConditionReport;
use self::service_user::ServiceUser;

/// The subject of the checks: this process, its key folder, and its configuration files.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The folder of key files.
    pub keys: &'a PrivateDir,
    /// The configuration files, also those that do not exist.
    pub configuration: &'a [PathBuf],
}

/// Checks every condition that does not depend on the caller. Clients are told the first report
/// that does not hold. This reads every key file and looks at every library.
pub fn evaluate(subject: &Subject<'_>) -> Vec<ConditionReport> {
    let service = ServiceUser::current();
    merge(evaluate_quick(subject, service), evaluate_files(subject, service))
}

/// Merges two lists into one report for each condition. If a condition is in both lists, a report
/// that does not hold wins. If both hold, the report on the files wins.
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

/// Checks the conditions that take a few dozen system calls, whatever the number of keys.
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

/// Checks each key file and each library, so the time grows with their number.
pub(crate) fn evaluate_files(subject: &Subject<'_>, service: ServiceUser) -> Vec<ConditionReport> {
    vec![
        ConditionReport::new(Condition::KeyFolder, keys::files(subject.keys)),
        ConditionReport::new(Condition::ImportedKey, keys::imported(subject.keys)),
        ConditionReport::new(Condition::Binary, program::libraries(service)),
    ]
}
