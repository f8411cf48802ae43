//! A provider with hooks around its operations.

use std::sync::Arc;

use device_key::{
    AttestationInput, CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer,
    ProviderDescription, ProviderError, ProviderErrorKind, SigningInput,
};
use device_key_types::attestation::{Activation, Credential, EndorsementKeyKind, Identity};
use device_key_types::{DeviceKeyId, Signature};

use crate::ProviderOperation::{
    self, Activate, Availability, Create, Delete, Identify, List, Presence, Sign,
};
use crate::hook::Hooks;
use crate::{Hook, IntoProviderError as _, Moment};

/// Wraps any provider and runs hooks around its operations.
pub struct HookedProvider {
    inner: Arc<dyn DeviceKeyProvider>,
    hooks: Hooks<ProviderOperation>,
}

impl HookedProvider {
    /// Wraps a provider. Without hooks the wrapper behaves as the provider does.
    pub fn new(inner: impl DeviceKeyProvider + 'static) -> Self {
        Self::shared(Arc::new(inner))
    }

    /// Wraps a provider that the test keeps too.
    pub const fn shared(inner: Arc<dyn DeviceKeyProvider>) -> Self {
        Self { inner, hooks: Hooks::none() }
    }

    /// Adds a hook after the ones that were added before.
    #[must_use]
    pub fn with(mut self, hook: impl Hook<ProviderOperation> + 'static) -> Self {
        self.hooks.push(hook);
        self
    }

    fn run<T>(
        &self,
        operation: ProviderOperation,
        call: impl FnOnce(&dyn DeviceKeyProvider) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        self.hooks.pass(Moment::Before, operation)?;
        let value = call(&*self.inner)?;
        self.hooks.pass(Moment::After, operation)?;
        Ok(value)
    }

    fn run_attestor<T>(
        &self,
        operation: ProviderOperation,
        call: impl FnOnce(&dyn KeyAttestor) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        self.run(operation, |inner| {
            let absent = || ProviderErrorKind::AttestationUnavailable.into_error();
            call(inner.attestor().ok_or_else(absent)?)
        })
    }
}

impl KeyAttestor for HookedProvider {
    fn identity(
        &self,
        input: &AttestationInput,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Identity, ProviderError> {
        self.run_attestor(Identify, |attestor| attestor.identity(input, endorsement_key))
    }

    fn activate(
        &self,
        input: &AttestationInput,
        credential: &Credential,
        endorsement_key: Option<EndorsementKeyKind>,
    ) -> Result<Activation, ProviderError> {
        self.run_attestor(Activate, |attestor| {
            attestor.activate(input, credential, endorsement_key)
        })
    }
}

impl DeviceKeyProvider for HookedProvider {
    fn description(&self) -> ProviderDescription {
        self.inner.description()
    }

    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.run(Presence, |inner| inner.presence(caller))
    }

    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.run(Availability, |inner| inner.availability(caller))
    }

    /// This has no hooks, because it does no work that could fail or be interrupted.
    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.inner.serves(caller)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        self.run(Create, |inner| inner.create(key_id))
    }

    fn signs_at_once(&self, key: &KeyReference) -> bool {
        self.inner.signs_at_once(key)
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        self.run(Sign, |inner| inner.sign(input))
    }

    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        self.inner.attestor()?;
        Some(self)
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.run(Delete, |inner| inner.delete(key_id))
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        self.run(List, |inner| inner.list())
    }
}
