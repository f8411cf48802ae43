//! Checks each condition of the OS-protected class.

use device_key_private_fs::PrivateDir;
use device_key_provider_os::{ConditionReport, OsProvider, Outcome};

use super::Check;
use crate::hardening;
use crate::report::Verdict;
use crate::settings::Settings;

/// Hardens this process as the service hardens its own process, because the conditions include the
/// hardening.
pub(super) fn hardened(settings: &Settings, home: &PrivateDir) -> Check {
    let name = "hardening";
    match hardening::harden(settings, home, &[]) {
        Ok(report) => {
            let steps: Vec<String> =
                report.steps.iter().map(|step| format!("{} {}", step.step, step.outcome)).collect();
            let found = steps.join(", ");
            if report.steps.iter().all(|step| step.outcome == Outcome::Done) {
                Check::pass(name, found)
            } else {
                Check::warn(
                    name,
                    found,
                    "nothing to do; a newer kernel supports more of these steps",
                )
            }
        }
        Err(failure) => Check::fail(name, &failure),
    }
}

/// One row for each condition. Outside a system service no condition can hold, so there is one row
/// that says why.
pub(super) fn conditions(settings: &Settings, keystore: &OsProvider) -> Vec<Check> {
    if !settings.is_system_service() {
        let found = "not in this mode: it needs a service under a user of its own (--service)";
        return vec![Check::pass("OS keystore", found)];
    }
    keystore.conditions().into_iter().map(row).collect()
}

fn row(report: ConditionReport) -> Check {
    let ConditionReport { condition, found, fix, .. } = report;
    let verdict = if fix.is_none() { Verdict::Pass } else { Verdict::Fail };
    Check { name: format!("OS keystore: {condition}").into(), verdict, found, fix }
}
