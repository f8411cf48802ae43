//! Why a process could not be hardened.

use std::io;
use std::path::PathBuf;

use crate::hardening::report::HardeningStep;

/// Why the process could not be hardened. The process must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardeningError {
    /// Other threads are running, and some of the steps would not affect them.
    #[error("the process must be hardened while it has one thread, but it has {count}")]
    Threads {
        /// How many threads there are.
        count: usize,
    },
    /// A file or folder that the process should be able to use later cannot be opened.
    #[error("{} cannot be opened, so the process cannot keep access to it", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a step that every supported kernel can do.
    #[error("the hardening step {step} failed")]
    Step {
        /// The step.
        step: HardeningStep,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
