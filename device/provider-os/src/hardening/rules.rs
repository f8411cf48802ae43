//! Landlock: which files the process can open from now on. Descriptors that are open stay as they
//! are.

use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::hardening::error::HardeningError;
use crate::hardening::report::{HardeningStep, Outcome, StepReport};
use crate::hardening::settings::{Hardening, Network};

/// Linux 6.12: files, TCP, device controls, signals and abstract sockets. An older kernel does what
/// it can of it.
const KNOWN: ABI = ABI::V6;

/// Its own limits, user id map and libraries are what the conditions look at.
const OWN_PROCESS: &str = "/proc/self";

/// Read by `SQLite`, and by the getrandom crate in a static program, where it cannot look up
/// whether the C library has the system call.
const RANDOM_BYTES: [&str; 2] = ["/dev/random", "/dev/urandom"];

pub(super) fn restrict(hardening: &Hardening) -> Result<StepReport, HardeningError> {
    let step = HardeningStep::FileRules;
    let failed = |error: RulesetError| HardeningError::Step { step, source: error.into() };
    let mut rules = ruleset(hardening.network).map_err(failed)?;
    rules = allow(rules, Path::new(OWN_PROCESS), reading())?;
    for path in RANDOM_BYTES.map(Path::new).into_iter().filter(|path| path.exists()) {
        rules = allow(rules, path, AccessFs::ReadFile.into())?;
    }
    for (paths, access) in [
        (&hardening.read, reading()),
        (&hardening.read_write, reading() | writing()),
        (&hardening.devices, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev),
    ] {
        for path in paths {
            rules = allow(rules, path, access)?;
        }
    }
    let outcome = match rules.restrict_self().map_err(failed)?.ruleset {
        RulesetStatus::FullyEnforced => Outcome::Done,
        RulesetStatus::PartiallyEnforced => Outcome::Partly,
        RulesetStatus::NotEnforced => Outcome::Unsupported,
    };
    Ok(StepReport { step, outcome })
}

/// Everything that is known is forbidden unless a rule allows it.
fn ruleset(network: Network) -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?;
    match network {
        Network::UnixOnly => rules.handle_access(AccessNet::from_all(KNOWN))?.create(),
        Network::Internet => rules.create(),
    }
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, HardeningError> {
    let failed = |source: Box<dyn Error + Send + Sync>| HardeningError::Step {
        step: HardeningStep::FileRules,
        source,
    };
    let file = PathFd::new(path).map_err(|error| match error {
        PathFdError::OpenCall { source, .. } => {
            HardeningError::Path { path: path.to_owned(), source }
        }
        error => failed(error.into()),
    })?;
    // A rule for a file must not speak of folders.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    rules.add_rule(PathBeneath::new(file, access)).map_err(|error| failed(error.into()))
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Files, folders and sockets; no devices, FIFOs or links, which nothing here makes.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSock
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}
