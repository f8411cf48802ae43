//! Cleans up after interrupted creations and deletions.

use std::sync::Arc;

use device_key_types::ErrorChain;
use tracing::{info, warn};

use super::DeviceKeyStore;
use crate::fair_semaphore::Requester;
use crate::{AbandonedKey, DeviceKeyError};

/// The outcome of [`DeviceKeyStore::recover`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many interrupted keys were removed.
    pub removed: usize,
    /// How many interrupted keys remain until the next start, because their provider is absent or
    /// failed.
    pub left: usize,
}

impl DeviceKeyStore {
    /// Removes what interrupted creations and deletions left. Call this once at start. Requests may
    /// be served meanwhile, because a key that a live process is creating is never touched.
    pub async fn recover(&self) -> Result<Recovery, DeviceKeyError> {
        let abandoned = self
            .blocking(|context| context.bindings("abandoned", context.bindings.abandoned()))
            .await?;
        let mut recovery = Recovery::default();
        for AbandonedKey { key_id, provider } in abandoned {
            let removed = match self.inner.provider_named(&provider) {
                Some(limited) => {
                    self.remove(Arc::clone(limited), key_id, Requester::service()).await
                }
                None => Err(DeviceKeyError::KeyNotFound),
            };
            match removed {
                Ok(()) => {
                    recovery.removed += 1;
                    info!(%key_id, "removed a key whose creation or deletion was interrupted");
                }
                Err(error) => {
                    recovery.left += 1;
                    warn!(%key_id, cause = %ErrorChain(&error), "a key whose creation or deletion was interrupted could not be removed yet");
                }
            }
        }
        Ok(recovery)
    }
}
