//! Landlock rules: which files the process can open from now on. The rules do not affect
//! descriptors that are already open.

use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::hardening::error::HardeningError;
use crate::hardening::report::{HardeningStep, Outcome, StepReport};
use crate::hardening::settings::{Hardening, Network};

/// The Landlock version of Linux 6.12, which covers files, TCP, device controls, signals and
/// abstract sockets. An older kernel enforces the part of these rules that it knows.
const KNOWN: ABI = ABI::V6;

/// The process's own entry in `/proc`. The conditions read the user id map and the libraries there.
const OWN_PROCESS: &str = "/proc/self";

/// The devices of random bytes. `SQLite` reads them. The getrandom crate reads them too in a static
/// program, because there it cannot find out whether the C library has the system call.
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

/// Makes a rule set that forbids every access that Landlock knows, unless a rule allows the access.
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
    // A rule for a file must not contain rights that apply only to folders.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    rules.add_rule(PathBeneath::new(file, access)).map_err(|error| failed(error.into()))
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// The rights to write, make and remove files, folders and sockets. The rights to make devices,
/// FIFOs and symbolic links are left out, because the service does not make any.
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
