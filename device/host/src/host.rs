//! The host itself: the key store, its state, and the home folder that contains both.

use std::sync::Arc;

use device_key::{DeviceKeyError, DeviceKeyStore};
use device_key_private_fs::PrivateDir;
use device_key_state::{StateError, StateRuntime};

/// An open home with its keys. Cheap to clone.
///
/// Several processes may have one home open at the same time.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) home: PrivateDir,
    pub(crate) state: Arc<StateRuntime>,
    pub(crate) store: DeviceKeyStore,
}

/// What [`Host::sweep`] did. The two steps do not depend on each other.
#[derive(Debug)]
pub struct Sweep {
    /// How many keys whose creation or deletion was interrupted are left. The store goes on trying
    /// to remove them, except for keys of keystores that this host does not have.
    pub keys: Result<usize, DeviceKeyError>,
    /// The lease files of processes that have ended.
    pub leases: Result<(), StateError>,
}

impl Host {
    /// The keys: create, sign, attest, list and delete.
    pub const fn store(&self) -> &DeviceKeyStore {
        &self.store
    }

    /// The `SQLite` state that keeps the bindings of the keys.
    pub const fn state(&self) -> &Arc<StateRuntime> {
        &self.state
    }

    /// The folder that keeps the state and the key files.
    pub const fn home(&self) -> &PrivateDir {
        &self.home
    }

    /// Removes what processes left unfinished when they were killed.
    ///
    /// Call it once after each start; requests can be served at the same time. It must be called on
    /// a Tokio runtime. A program that ends waits for [`DeviceKeyStore::settled`] too, so that no
    /// key whose deletion was answered stays until the next start.
    pub async fn sweep(&self) -> Sweep {
        let keys = self.store.recover().await;
        let state = Arc::clone(&self.state);
        let leases = tokio::task::spawn_blocking(move || state.sweep_leases()).await;
        // If the task panicked, the panic hook has reported it, and the next start sweeps these
        // leases.
        Sweep { keys, leases: leases.unwrap_or(Ok(())) }
    }
}
