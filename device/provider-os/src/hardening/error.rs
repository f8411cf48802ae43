//! Why a process could not be hardened.

use std::io;
use std::path::PathBuf;

use crate::hardening::report::HardeningStep;

/// Why the process could not be hardened. The process must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardeningError {
    /// Other threads run, which some of the steps would not reach.
    #[error("hardening must come before the second thread, and there are {count}")]
    Threads {
        /// How many threads there are.
        count: usize,
    },
    /// A file or folder that the process is to keep cannot be opened.
    #[error("{} cannot be kept accessible", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a step that every supported kernel can do.
    #[error("{step} failed")]
    Step {
        /// The step.
        step: HardeningStep,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
