//! A hook that records every operation.

use std::mem;
use std::sync::{Arc, Mutex};

use device_key::{BindingStoreError, ProviderError};

use super::Hook;
use crate::{BindingOperation, Moment, ProviderOperation};

/// An operation that the store asked of one of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An operation of the binding store.
    Bindings(BindingOperation),
    /// An operation of a provider.
    Provider(ProviderOperation),
}

/// Records operations in the order in which they begin. Several wrappers may share a recorder.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// Makes an empty record.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Returns the operations since the last call of this method.
    pub fn take(&self) -> Vec<Event> {
        mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Hook<ProviderOperation> for Recorder {
    fn pass(&self, moment: Moment, operation: ProviderOperation) -> Result<(), ProviderError> {
        if moment == Moment::Before {
            self.0.lock().unwrap().push(Event::Provider(operation));
        }
        Ok(())
    }
}

impl Hook<BindingOperation> for Recorder {
    fn pass(&self, moment: Moment, operation: BindingOperation) -> Result<(), BindingStoreError> {
        if moment == Moment::Before {
            self.0.lock().unwrap().push(Event::Bindings(operation));
        }
        Ok(())
    }
}
