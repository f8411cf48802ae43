use tracing::{info, warn};

use super::{BlockingHop, DeviceKeyStore};
use crate::{AbandonedKey, Chain, DeviceKeyError, lane::Turn};

/// What [`DeviceKeyStore::recover`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Keys of interrupted creations that were removed.
    pub removed: usize,
    /// Those whose provider is not there or failed; they wait for the next start.
    pub left: usize,
}

impl DeviceKeyStore {
    /// Removes what interrupted creations left. Call it once at start; requests may be served
    /// meanwhile, because a key that a live process is creating is never touched.
    pub async fn recover(&self) -> Result<Recovery, DeviceKeyError> {
        self.blocking(BlockingHop::recover).await
    }
}

impl BlockingHop {
    fn recover(&self) -> Result<Recovery, DeviceKeyError> {
        let mut recovery = Recovery::default();
        for abandoned in self.bindings("abandoned", self.bindings.abandoned())? {
            let key_id = abandoned.key_id;
            match self.remove_abandoned(&abandoned) {
                Ok(()) => {
                    recovery.removed += 1;
                    info!(%key_id, "removed a key whose creation was interrupted");
                }
                Err(error) => {
                    recovery.left += 1;
                    warn!(%key_id, cause = %Chain(&error), "an interrupted key is still there");
                }
            }
        }
        Ok(recovery)
    }

    fn remove_abandoned(&self, abandoned: &AbandonedKey) -> Result<(), DeviceKeyError> {
        let provider =
            self.provider_named(&abandoned.provider).ok_or(DeviceKeyError::KeyNotFound)?;
        let _turn: Turn<'_> = provider.lane.enter()?;
        provider.call("delete", |provider| provider.delete(&abandoned.key_id))?;
        self.bindings("remove", self.bindings.remove(&abandoned.key_id))
    }
}
