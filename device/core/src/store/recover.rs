use std::sync::Arc;

use device_key_types::ErrorChain;
use tracing::{info, warn};

use super::DeviceKeyStore;
use crate::{AbandonedKey, DeviceKeyError, lane::Claimant};

/// What [`DeviceKeyStore::recover`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Keys of interrupted creations and deletions that were removed.
    pub removed: usize,
    /// Those whose provider is not there or failed; they wait for the next start.
    pub left: usize,
}

impl DeviceKeyStore {
    /// Removes what interrupted creations and deletions left. Call it once at start; requests may be
    /// served meanwhile, because a key that a live process is creating is never touched.
    pub async fn recover(&self) -> Result<Recovery, DeviceKeyError> {
        let abandoned =
            self.blocking(|hop| hop.bindings("abandoned", hop.bindings.abandoned())).await?;
        let mut recovery = Recovery::default();
        for AbandonedKey { key_id, provider } in abandoned {
            let removed = match self.inner.provider_named(&provider) {
                Some(laned) => self.remove(Arc::clone(laned), key_id, Claimant::service()).await,
                None => Err(DeviceKeyError::KeyNotFound),
            };
            match removed {
                Ok(()) => {
                    recovery.removed += 1;
                    info!(%key_id, "removed what an interrupted creation or deletion left");
                }
                Err(error) => {
                    recovery.left += 1;
                    warn!(%key_id, cause = %ErrorChain(&error), "an interrupted key is still there");
                }
            }
        }
        Ok(recovery)
    }
}
