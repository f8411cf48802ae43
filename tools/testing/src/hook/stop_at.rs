//! A hook that kills the process at a chosen moment, for crash tests.

use std::fmt;
use std::str::FromStr;

use rustix::process::{Signal, getpid, kill_process};

use super::Hook;
use crate::{Moment, Operation};

/// Kills the whole process, as a power cut would, when an operation passes a moment. The child
/// processes of crash tests get the moment as text: `before:create`, `after:complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopAt<O> {
    /// The moment: before the operation, or after its work.
    pub moment: Moment,
    /// The operation.
    pub operation: O,
}

impl<O: Operation> StopAt<O> {
    /// Every point at which this hook can stop a process.
    pub fn all() -> impl Iterator<Item = Self> {
        O::ALL.iter().flat_map(|&operation| {
            Moment::ALL.iter().map(move |&moment| Self { moment, operation })
        })
    }
}

impl<O: Operation> Hook<O> for StopAt<O> {
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        if moment == self.moment && operation == self.operation {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            // The signal may reach another thread first, so this thread must not go on.
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
}

impl<O: Operation> fmt::Display for StopAt<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.moment.as_str(), self.operation.as_str())
    }
}

/// The error of text that is not a moment and an operation of this trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStop;

impl<O: Operation> FromStr for StopAt<O> {
    type Err = UnknownStop;

    fn from_str(text: &str) -> Result<Self, UnknownStop> {
        Self::all().find(|stop| stop.to_string() == text).ok_or(UnknownStop)
    }
}
