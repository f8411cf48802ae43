//! Hooks that interfere with an operation. Each kind of interference has a file.

mod faults;
mod gate;
mod recorder;
mod stop_at;

use std::sync::Arc;

pub use faults::Faults;
pub use gate::Gate;
pub use recorder::{Event, Recorder};
pub use stop_at::{StopAt, UnknownStop};

use crate::{Moment, Operation};

/// Runs around each operation of a wrapped implementation. An error of the hook becomes the error
/// of the operation, but an error at [`Moment::After`] does not undo the work.
pub trait Hook<O: Operation>: Send + Sync {
    /// The operation passes this moment.
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error>;
}

impl<O: Operation, F> Hook<O> for F
where
    F: Fn(Moment, O) -> Result<(), O::Error> + Send + Sync,
{
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        self(moment, operation)
    }
}

impl<O: Operation, H: Hook<O> + ?Sized> Hook<O> for Arc<H> {
    fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        (**self).pass(moment, operation)
    }
}

/// Hooks in the order in which they run.
pub(crate) struct Hooks<O>(Vec<Box<dyn Hook<O>>>);

impl<O: Operation> Hooks<O> {
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, hook: impl Hook<O> + 'static) {
        self.0.push(Box::new(hook));
    }

    pub(crate) fn pass(&self, moment: Moment, operation: O) -> Result<(), O::Error> {
        self.0.iter().try_for_each(|hook| hook.pass(moment, operation))
    }
}
