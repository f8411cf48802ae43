//! Returns the public part of a key.

use device_key_types::DeviceKeyId;

use super::{DeviceKey, DeviceKeyStore};
use crate::{DeviceKeyBinding, DeviceKeyError, LocalPeer};

impl DeviceKeyStore {
    /// The public part of a key. Only the binding is read; no provider is asked.
    pub async fn public(
        &self,
        peer: &LocalPeer,
        key_id: &DeviceKeyId,
    ) -> Result<DeviceKey, DeviceKeyError> {
        self.inner.require_any_provider()?;
        self.in_time(async { self.binding(peer, key_id).await.map(DeviceKey::from) }).await
    }
}

impl From<DeviceKeyBinding> for DeviceKey {
    fn from(binding: DeviceKeyBinding) -> Self {
        Self {
            key_id: binding.key_id,
            public_key: binding.public_key,
            protection_class: binding.protection_class,
            tpm_kind: binding.tpm_kind,
        }
    }
}
