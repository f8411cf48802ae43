//! What each step of hardening did.

use std::fmt;

/// The result of every hardening step, in the order in which the steps were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardeningReport {
    /// The result of each step.
    pub steps: Vec<StepReport>,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step.
    pub step: HardeningStep,
    /// The outcome of the step.
    pub outcome: Outcome,
}

/// A step of hardening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HardeningStep {
    /// Processes of the same user cannot read this process's memory, and the process leaves no core
    /// dump when it crashes (`PR_SET_DUMPABLE`).
    NotDumpable,
    /// The process cannot gain privileges by exec (`PR_SET_NO_NEW_PRIVS`).
    NoNewPrivileges,
    /// Core dumps are limited to 0 bytes (`RLIMIT_CORE`).
    NoCoreDumps,
    /// Memory that was writable can never become executable (`PR_SET_MDWE`).
    NoWrittenCode,
    /// Only the files named in [`Hardening`](super::settings::Hardening) can be opened (Landlock).
    FileRules,
    /// Only the system calls on a fixed list can be made (seccomp).
    SystemCallFilter,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step is in force.
    Done,
    /// The step is in force as far as this kernel supports it.
    Partly,
    /// This kernel does not support the step.
    Unsupported,
}

impl HardeningStep {
    /// The step's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotDumpable => "not_dumpable",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::NoCoreDumps => "no_core_dumps",
            Self::NoWrittenCode => "no_written_code",
            Self::FileRules => "file_rules",
            Self::SystemCallFilter => "system_call_filter",
        }
    }
}

impl Outcome {
    /// The outcome's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for HardeningStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.outcome)
    }
}
