//! Which devices have connections open, and the ends of those that were revoked.
//!
//! The registry is asked again and again. A notification of the store would come sooner on average,
//! but there is none for files, and one that is lost (a connection that breaks, a pooler in between)
//! leaves a revoked device connected for good, unless one polls too. One question for all open
//! devices costs a store next to nothing, and its interval is the bound that is promised.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use device_key_types::DeviceKeyId;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tracing::{error, warn};

use crate::{
    limits::RelyingPartyLimits,
    registry::{Registry, error::RegistryError},
};

/// ConnectedDevices in one question to the store.
const KEY_IDS_PER_QUERY: usize = 1000;

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The device was revoked.
    Revoked,
    /// The store has not answered for so long that the device may have been revoked.
    Unchecked,
}

/// The devices that have connections open in this process.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Arc<ConnectedDevices>);

#[derive(Default)]
struct ConnectedDevices(Mutex<HashMap<DeviceKeyId, ConnectedDevice>>);

/// A device with open connections.
struct ConnectedDevice {
    connections: usize,
    ending: watch::Sender<Option<CloseReason>>,
}

/// A connection that is to end when its device must go.
pub(crate) struct ConnectionGuard {
    key_id: DeviceKeyId,
    devices: Arc<ConnectedDevices>,
    ending: watch::Receiver<Option<CloseReason>>,
}

impl OpenConnections {
    /// Counts one more connection of this device.
    pub(crate) fn watched(&self, key_id: DeviceKeyId) -> ConnectionGuard {
        let mut devices = self.0.locked();
        let connected = devices.entry(key_id).or_insert_with(|| ConnectedDevice {
            connections: 0,
            ending: watch::Sender::new(None),
        });
        connected.connections = connected.connections.saturating_add(1);
        if *connected.ending.borrow() == Some(CloseReason::Unchecked) {
            // Connections before this one are still closing; they keep what they have seen.
            connected.ending = watch::Sender::new(None);
        }
        ConnectionGuard { key_id, devices: self.0.clone(), ending: connected.ending.subscribe() }
    }

    /// Ends all connections of a device.
    pub(crate) fn revoke(&self, key_id: &DeviceKeyId) {
        self.0.end(key_id, CloseReason::Revoked);
    }

    /// Asks the registry about every device, for ever.
    pub(crate) async fn watch(&self, registry: &dyn Registry, limits: &RelyingPartyLimits) {
        let mut turns = interval(limits.revocation_interval);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = Instant::now();
        let mut was_checked = true;
        loop {
            turns.tick().await;
            let patience = limits.unchecked_at_most.saturating_sub(checked.elapsed());
            match timeout(patience.max(limits.revocation_interval), self.sweep(registry)).await {
                Ok(Ok(())) => {
                    checked = Instant::now();
                    was_checked = true;
                    continue;
                }
                Ok(Err(error)) if was_checked => {
                    warn!(reason = error.reason(), "revocations cannot be looked up");
                }
                Ok(Err(_)) => {}
                Err(_) => warn!("revocations cannot be looked up in time"),
            }
            was_checked = false;
            if checked.elapsed() >= limits.unchecked_at_most
                && self.0.end_all(CloseReason::Unchecked)
            {
                error!("connections were closed that could not be checked for revocation");
            }
        }
    }

    async fn sweep(&self, registry: &dyn Registry) -> Result<(), RegistryError> {
        let open: Vec<_> = self.0.locked().keys().copied().collect();
        for some in open.chunks(KEY_IDS_PER_QUERY) {
            let enrolled = registry.still_enrolled(some).await?;
            for key_id in some.iter().filter(|key_id| !enrolled.contains(key_id)) {
                self.0.end(key_id, CloseReason::Revoked);
            }
        }
        Ok(())
    }
}

impl ConnectedDevices {
    fn locked(&self) -> MutexGuard<'_, HashMap<DeviceKeyId, ConnectedDevice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, key_id: &DeviceKeyId, ending: CloseReason) {
        if let Some(connected) = self.locked().get(key_id) {
            connected.end(ending);
        }
    }

    /// Says whether there was any to end.
    fn end_all(&self, ending: CloseReason) -> bool {
        let devices = self.locked();
        devices.values().filter(|connected| connected.end(ending)).count() > 0
    }
}

impl ConnectedDevice {
    /// The first reason stays. Says whether this was it.
    fn end(&self, ending: CloseReason) -> bool {
        self.ending.send_if_modified(|seen| seen.is_none() && seen.replace(ending).is_none())
    }
}

impl ConnectionGuard {
    /// Waits until the connection must end.
    pub(crate) async fn ended(&mut self) -> CloseReason {
        match self.ending.wait_for(Option::is_some).await {
            Ok(ending) => ending.unwrap_or(CloseReason::Unchecked),
            // Nobody looks after it any more.
            Err(_) => CloseReason::Unchecked,
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut devices = self.devices.locked();
        if let Entry::Occupied(mut device) = devices.entry(self.key_id) {
            let connected = device.get_mut();
            connected.connections = connected.connections.saturating_sub(1);
            if connected.connections == 0 {
                device.remove();
            }
        }
    }
}

impl fmt::Debug for ConnectionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionGuard(..)")
    }
}

impl fmt::Debug for ConnectedDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectedDevices(..)")
    }
}
