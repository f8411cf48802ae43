//! A provider that lies, for tests of the checks behind a provider.

use std::sync::{Arc, Mutex};

use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, SigningInput,
};
use device_key_types::{DeviceKeyId, Signature};

use crate::memory_provider::SoftwareKey;

/// A provider that answers honestly until the test tells it to lie.
pub struct CorruptProvider {
    inner: Arc<dyn DeviceKeyProvider>,
    other: SoftwareKey,
    corruption: Mutex<Option<Corruption>>,
}

/// How the provider lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// It signs the right bytes with another key.
    SignatureByAnotherKey,
    /// It names another public key, when a key is created and when it is loaded.
    AnotherPublicKey,
}

impl CorruptProvider {
    /// Wraps a provider. The wrapper is honest at first.
    pub fn new(inner: impl DeviceKeyProvider + 'static) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(inner),
            other: SoftwareKey::random(),
            corruption: Mutex::new(None),
        })
    }

    /// Makes the provider lie from now on.
    pub fn lie(&self, corruption: Corruption) {
        *self.corruption.lock().unwrap() = Some(corruption);
    }

    fn lies(&self, corruption: Corruption) -> bool {
        *self.corruption.lock().unwrap() == Some(corruption)
    }
}

impl DeviceKeyProvider for CorruptProvider {
    fn description(&self) -> ProviderDescription {
        self.inner.description()
    }

    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.inner.presence(caller)
    }

    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.inner.availability(caller)
    }

    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.inner.serves(caller)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        let mut created = self.inner.create(key_id)?;
        if self.lies(Corruption::AnotherPublicKey) {
            created.public_key = self.other.public_key.clone();
        }
        Ok(created)
    }

    fn signs_at_once(&self, key: &KeyReference) -> bool {
        self.inner.signs_at_once(key)
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        if self.lies(Corruption::SignatureByAnotherKey) {
            return Ok(self.other.sign(input));
        }
        self.inner.sign(input)
    }

    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        self.inner.attestor()
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.inner.delete(key_id)
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        self.inner.list()
    }
}
