//! Puts a `DeviceKeyStore` together from test doubles.

use std::sync::Arc;

use device_key::{DeviceKeyBindingStore, DeviceKeyProvider, DeviceKeyStore, Parts, StoreLimits};
use device_key_types::RandomSource;

use crate::{
    BindingOperation, FixedClock, Hook, HookedBindings, HookedProvider, MemoryBindings, Recorder,
    SequenceRandom, samples,
};

/// The parts of a store, which the test keeps: a clock at [`samples::NOW`], key ids that count up,
/// bindings in memory, and a record of every operation of bindings and providers.
pub struct Assembly {
    /// The clock of the store.
    pub clock: Arc<FixedClock>,
    /// The bindings of the store.
    pub bindings: Arc<MemoryBindings>,
    /// The operations that the store asked of its parts.
    pub recorder: Arc<Recorder>,
    hooked_bindings: HookedBindings,
    random: Arc<dyn RandomSource>,
    providers: Vec<Arc<dyn DeviceKeyProvider>>,
    limits: StoreLimits,
}

impl Default for Assembly {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembly {
    /// Starts without a provider.
    pub fn new() -> Self {
        let bindings = MemoryBindings::new();
        let recorder = Recorder::new();
        let shared: Arc<dyn DeviceKeyBindingStore> = bindings.clone();
        Self {
            clock: Arc::new(FixedClock::at(samples::NOW)),
            hooked_bindings: HookedBindings::new(shared).with(recorder.clone()),
            bindings,
            recorder,
            random: Arc::new(SequenceRandom::default()),
            providers: Vec::new(),
            limits: StoreLimits::default(),
        }
    }

    /// Adds a provider after the ones that were added before.
    #[must_use]
    pub fn provider(self, provider: impl DeviceKeyProvider + 'static) -> Self {
        self.shared_provider(Arc::new(provider))
    }

    /// Adds a provider that the test keeps too.
    #[must_use]
    pub fn shared_provider(mut self, provider: Arc<dyn DeviceKeyProvider>) -> Self {
        let recorded = HookedProvider::shared(provider).with(self.recorder.clone());
        self.providers.push(Arc::new(recorded));
        self
    }

    /// Adds a hook to the bindings.
    #[must_use]
    pub fn bindings_hook(mut self, hook: impl Hook<BindingOperation> + 'static) -> Self {
        self.hooked_bindings = self.hooked_bindings.with(hook);
        self
    }

    /// Sets the source of key ids.
    #[must_use]
    pub fn random(mut self, random: impl RandomSource + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: StoreLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes the store.
    pub fn store(self) -> DeviceKeyStore {
        DeviceKeyStore::new(Parts {
            policy: samples::policy(),
            limits: self.limits,
            clock: self.clock,
            random: self.random,
            bindings: Arc::new(self.hooked_bindings),
            providers: self.providers,
        })
    }
}
