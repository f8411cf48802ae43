//! seccomp: which system calls are left. A list of what is allowed: what this service, `SQLite`,
//! Tokio and the C library do, and what they may come to do with files, memory, threads and sockets
//! that they have. Not on it are, among others, exec and new processes, ptrace and its kin, mounts,
//! namespaces, modules, BPF, keyrings, `io_uring` and raw device access.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use crate::hardening::error::HardeningError;
use crate::hardening::report::{HardeningStep, Outcome, StepReport};
use crate::hardening::settings::Network;

mod list;

/// What is not allowed looks like a kernel that lacks it, so that the C library and Rust's fall
/// back to older calls which can be filtered: threads, for one, are made by clone, whose flags a
/// filter sees, when clone3 is not there.
const NOT_THERE: SeccompAction = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());

pub(super) fn filter(network: Network) -> Result<StepReport, HardeningError> {
    let step = HardeningStep::SystemCallFilter;
    let failed = |source| HardeningError::Step { step, source };
    let program = program(network).map_err(|error| failed(error.into()))?;
    match apply_filter_all_threads(&program) {
        Ok(()) => Ok(StepReport { step, outcome: Outcome::Done }),
        // A kernel without CONFIG_SECCOMP_FILTER (seccomp(2)).
        Err(seccompiler::Error::Seccomp(error))
            if [Some(libc::EINVAL), Some(libc::ENOSYS)].contains(&error.raw_os_error()) =>
        {
            Ok(StepReport { step, outcome: Outcome::Unsupported })
        }
        Err(error) => Err(failed(error.into())),
    }
}

fn program(network: Network) -> Result<BpfProgram, BackendError> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules(network)?, NOT_THERE, SeccompAction::Allow, architecture)?.try_into()
}

fn rules(network: Network) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        list::WHATEVER_ARGUMENTS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, argument, values) in
        [(libc::SYS_ioctl, 1, list::DEVICE_CONTROLS), (libc::SYS_prctl, 0, list::PROCESS_CONTROLS)]
    {
        let one_of = values.iter().map(|value| rule(argument, SeccompCmpOp::Eq, *value));
        rules.insert(call, one_of.collect::<Result<_, _>>()?);
    }
    // A thread of this process, never a new process.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let threads = rule(0, SeccompCmpOp::MaskedEq(thread), thread)?;
    rules.insert(libc::SYS_clone, vec![threads]);
    let sockets = match network {
        Network::UnixOnly => {
            vec![rule(0, SeccompCmpOp::Eq, u64::from(libc::AF_UNIX.cast_unsigned()))?]
        }
        Network::Internet => Vec::new(),
    };
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}
