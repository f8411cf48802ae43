//! The conditions under which keys are OS-protected. Each condition is checked on open descriptors
//! and reported separately, with what was found and how to fix it. A condition that cannot be
//! checked does not hold.

pub(crate) mod caller;
mod files;
pub(crate) mod key_files;
mod keys;
mod process;
mod program;
pub(crate) mod report;
pub(crate) mod service_user;

use std::path::PathBuf;

use device_key_private_fs::PrivateDir;
use device_key_types::OsProtectionCondition as Condition;

use self::key_files::{Faults, KeyFiles};
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
    evaluate_changes(subject, ServiceUser::current(), &mut KeyFiles::default())
}

/// Checks as [`evaluate`] does, but reads only the key files that changed since the last check.
pub(crate) fn evaluate_changes(
    subject: &Subject<'_>,
    service: ServiceUser,
    key_files: &mut KeyFiles,
) -> Vec<ConditionReport> {
    let Subject { keys, configuration } = *subject;
    let Faults { not_private, imported } = key_files.check(keys);
    let folder = keys::folder(keys, service).and_then(|()| match not_private {
        Some(fault) => Err(fault),
        None => Ok(format!("{} and the files in it are private", keys.path().display())),
    });
    let generated = match imported {
        Some(fault) => Err(fault),
        None => Ok("this service generated every key".into()),
    };
    let program = program::executable(service).and_then(|()| program::libraries(service));
    vec![
        ConditionReport::new(Condition::UserNamespace, process::user_namespace()),
        ConditionReport::new(Condition::Dumpable, process::dumpable()),
        ConditionReport::new(Condition::NewPrivileges, process::new_privileges()),
        ConditionReport::new(Condition::CoreDumps, process::core_dumps()),
        ConditionReport::new(Condition::FileSystem, keys::file_system(keys)),
        ConditionReport::new(Condition::KeyFolder, folder),
        ConditionReport::new(Condition::Ancestors, keys::ancestors(keys, service)),
        ConditionReport::new(Condition::Binary, program),
        ConditionReport::new(Condition::Configuration, files::all(configuration, service)),
        ConditionReport::new(Condition::ImportedKey, generated),
    ]
}
