//! A provider that signs each message only once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, SigningInput,
};
use device_key_testing::MemoryProvider;
use device_key_types::{DeviceKeyId, Sha256Digest, Signature};

/// The memory provider, but it signs each message only once and then returns the stored signature.
pub(crate) struct MemoizedProvider {
    provider: MemoryProvider,
    signatures: Mutex<HashMap<(DeviceKeyId, Sha256Digest), Signature>>,
}

impl MemoizedProvider {
    pub(crate) fn new(provider: MemoryProvider) -> Self {
        Self { provider, signatures: Mutex::default() }
    }
}

impl DeviceKeyProvider for MemoizedProvider {
    fn description(&self) -> ProviderDescription {
        self.provider.description()
    }

    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.provider.presence(caller)
    }

    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.provider.availability(caller)
    }

    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.provider.serves(caller)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        self.provider.create(key_id)
    }

    fn signs_at_once(&self, key: &KeyReference) -> bool {
        self.provider.signs_at_once(key)
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        let mut signatures = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = (input.key().key_id, *input.sha256());
        if let Some(signature) = signatures.get(&signed) {
            return Ok(signature.clone());
        }
        let signature = self.provider.sign(input)?;
        signatures.insert(signed, signature.clone());
        Ok(signature)
    }

    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        self.provider.attestor()
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.provider.delete(key_id)
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        self.provider.list()
    }
}
