//! What each step of hardening did.

use std::fmt;

/// What was done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardeningReport {
    /// One for each step.
    pub steps: Vec<StepReport>,
}

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step.
    pub step: HardeningStep,
    /// What became of it.
    pub outcome: Outcome,
}

/// A step of hardening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HardeningStep {
    /// Processes of the same user may not look into this one, and it leaves no core dump
    /// (`PR_SET_DUMPABLE`).
    NotDumpable,
    /// No exec gives privileges (`PR_SET_NO_NEW_PRIVS`).
    NoNewPrivileges,
    /// Core dumps are limited to nothing (`RLIMIT_CORE`).
    NoCoreDumps,
    /// Memory that was writable never becomes executable (`PR_SET_MDWE`).
    NoWrittenCode,
    /// Only named files can be opened (Landlock).
    FileRules,
    /// Only listed system calls can be made (seccomp).
    SystemCallFilter,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Done,
    /// It is in force as far as this kernel goes.
    Partly,
    /// This kernel cannot do it.
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
