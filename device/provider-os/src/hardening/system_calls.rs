//! The seccomp filter: which system calls the process can still make. The filter is a list of
//! allowed calls. The list holds the calls that this service, `SQLite`, Tokio and the C library
//! make, and calls that they may make in later versions with files, memory, threads and sockets.
//! The list does not hold, among other calls, exec, new processes, ptrace and similar calls,
//! mounts, namespaces, modules, BPF, keyrings, `io_uring` and raw device access.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use crate::hardening::error::HardeningError;
use crate::hardening::report::{HardeningStep, Outcome, StepReport};
use crate::hardening::settings::Network;

mod list;

/// A forbidden call fails as if the kernel did not have it. So the C library and Rust's standard
/// library fall back to older calls, which the filter can check. For example, they start a thread
/// with clone instead of clone3, and a filter can read the flags of clone.
const FORBIDDEN: SeccompAction = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());

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
    SeccompFilter::new(rules(network)?, FORBIDDEN, SeccompAction::Allow, architecture)?.try_into()
}

fn rules(network: Network) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        list::WITH_ANY_ARGUMENTS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, argument, values) in
        [(libc::SYS_ioctl, 1, list::DEVICE_CONTROLS), (libc::SYS_prctl, 0, list::PROCESS_CONTROLS)]
    {
        let allowed = values.iter().map(|value| rule(argument, SeccompCmpOp::Eq, *value));
        rules.insert(call, allowed.collect::<Result<_, _>>()?);
    }
    // clone may start a thread of this process, but not a new process.
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
