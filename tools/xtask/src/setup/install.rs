//! Installs packages with the system's package manager.

use std::ffi::OsStr;

use anyhow::Context as _;
use device_key_process as process;

use super::requirement::{Requirement, executable};
use crate::privilege::Privilege;

/// A program that installs the system's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackageManager {
    AptGet,
    Dnf,
}

/// One command: the program and its arguments, without `sudo`.
pub(crate) type Step = Vec<String>;

impl PackageManager {
    pub(crate) fn on(path: &OsStr) -> Option<Self> {
        [("apt-get", Self::AptGet), ("dnf", Self::Dnf)]
            .into_iter()
            .find_map(|(name, manager)| executable(name, path).map(|_| manager))
    }

    /// Returns the commands that install these packages. The outcome of the last command decides.
    pub(crate) fn steps(self, requirements: &[&Requirement]) -> Vec<Step> {
        match self {
            Self::AptGet => {
                let packages = requirements.iter().map(|requirement| requirement.debian);
                // `env` sets the variable, because sudo drops variables from the environment.
                let install = "env DEBIAN_FRONTEND=noninteractive \
                               apt-get install -y --no-install-recommends";
                vec![step("apt-get update", []), step(install, packages)]
            }
            Self::Dnf => {
                let packages = requirements.iter().map(|requirement| requirement.fedora);
                vec![step("dnf install -y", packages)]
            }
        }
    }
}

/// Runs the steps, and runs them once more if they fail, because mirrors fail now and then.
/// What they print is shown only if both attempts fail.
pub(crate) fn run(steps: &[Step], privilege: Privilege) -> anyhow::Result<()> {
    attempt(steps, privilege)
        .or_else(|_| attempt(steps, privilege))
        .context("cannot install what is missing")
}

/// Returns the steps as a person would type them.
pub(crate) fn line(steps: &[Step]) -> String {
    let typed: Vec<_> = steps.iter().map(|step| format!("sudo {}", step.join(" "))).collect();
    typed.join(" && ")
}

fn step(command: &str, packages: impl IntoIterator<Item = &'static str>) -> Step {
    let packages = packages.into_iter().map(str::to_owned);
    command.split_whitespace().map(str::to_owned).chain(packages).collect()
}

fn attempt(steps: &[Step], privilege: Privilege) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    for step in steps {
        // An unreachable third-party source fails the update, but the packages that we need can
        // often be installed anyway. So only the last step decides, and its error reports an
        // earlier failure too.
        outcome = match (outcome, execute(step, privilege)) {
            (_, Ok(())) => Ok(()),
            (Ok(()), Err(error)) => Err(error),
            (Err(earlier), Err(error)) => Err(error.context(format!("{earlier:#}"))),
        };
    }
    outcome
}

fn execute(step: &Step, privilege: Privilege) -> anyhow::Result<()> {
    let (program, arguments) = step.split_first().context("an empty command")?;
    process::quiet(privilege.command(program).args(arguments))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::super::requirement;
    use super::*;

    fn offer(folder: &Path, name: &str) {
        let file = folder.join(name);
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn apt_get_is_preferred_and_dnf_is_the_other_choice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str();
        assert_eq!(PackageManager::on(path), None);
        offer(folder.path(), "dnf");
        assert_eq!(PackageManager::on(path), Some(PackageManager::Dnf));
        offer(folder.path(), "apt-get");
        assert_eq!(PackageManager::on(path), Some(PackageManager::AptGet));
    }

    #[test]
    fn the_command_installs_exactly_what_is_missing() {
        let all = requirement::missing(requirement::FOR_TESTS, OsStr::new(""));
        let swtpm: Vec<_> =
            all.iter().copied().filter(|missing| missing.name.starts_with("swtpm")).collect();
        assert_eq!(
            line(&PackageManager::AptGet.steps(&swtpm)),
            "sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive \
             apt-get install -y --no-install-recommends swtpm swtpm-tools"
        );
        assert_eq!(
            line(&PackageManager::Dnf.steps(&all)),
            "sudo dnf install -y \
             gcc glibc-static dpkg openssl swtpm swtpm-tools systemd tpm2-tools tpm2-openssl \
             postgresql-server nodejs nodejs-npm python3-cryptography"
        );
    }

    fn shell(script: String) -> Step {
        vec!["sh".to_owned(), "-c".to_owned(), script]
    }

    #[test]
    fn a_failure_is_tried_a_second_time_and_not_a_third() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let log = log.display();
        let second_works = shell(format!("echo x >> {log}; test $(wc -l < {log}) -ge 2"));
        run(&[second_works], Privilege::Root).unwrap();
        let never_works = shell(format!("echo x >> {log}; echo why >&2; exit 7"));
        let error = run(&[never_works], Privilege::Root).unwrap_err();
        assert!(format!("{error:#}").contains("why"), "{error:#}");
        let attempts = fs::read_to_string(log.to_string()).unwrap().lines().count();
        assert_eq!(attempts, 4);
    }

    #[test]
    fn the_last_step_decides() {
        let step = |code: u8| shell(format!("echo step{code}; exit {code}"));
        run(&[step(1), step(0)], Privilege::Root).unwrap();
        let error = run(&[step(1), step(2)], Privilege::Root).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("step1") && told.contains("step2"), "{told}");
    }
}
