use std::{
    mem,
    sync::{Arc, Mutex},
};

use device_key::{BindingStoreError, ProviderError};

use super::Hook;
use crate::{BindingOperation, Moment, ProviderOperation};

/// Something that the store asked of one of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Of the binding store.
    Bindings(BindingOperation),
    /// Of a provider.
    Provider(ProviderOperation),
}

/// Writes down every operation in the order in which they begin. One recorder may serve several
/// wrappers.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// An empty record.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What happened since the last call of this.
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
