//! The open connections, and how the connections of revoked devices are closed.
//!
//! The registry is polled. A notification by the store would arrive sooner on average, but files
//! send no notifications, and a notification can get lost (when a connection breaks, or in a
//! pooler). A lost notification would leave a revoked device connected until the next poll. One
//! query for all connected devices costs a store almost nothing, and its interval is the bound
//! that [`RelyingPartyLimits::revocation_interval`] promises.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use device_key_types::DeviceKeyId;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{error, warn};

use crate::limits::RelyingPartyLimits;
use crate::registry::Registry;
use crate::registry::error::RegistryError;

/// The most devices in one query to the store.
const KEY_IDS_PER_QUERY: usize = 1000;

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The device was revoked.
    Revoked,
    /// The store has not answered for a long time, so another process may have revoked the device.
    Unchecked,
}

/// The devices that have connections open in this process.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Arc<ConnectedDevices>);

#[derive(Debug, Default)]
struct ConnectedDevices(Mutex<HashMap<DeviceKeyId, ConnectedDevice>>);

/// A device with open connections in this process.
#[derive(Debug, Default)]
struct ConnectedDevice {
    connections: usize,
    reason: watch::Sender<Option<CloseReason>>,
}

/// An open connection. While the guard lives, the connection is checked for revocation.
pub(crate) struct ConnectionGuard {
    key_id: DeviceKeyId,
    devices: Arc<ConnectedDevices>,
    reason: watch::Receiver<Option<CloseReason>>,
}

impl OpenConnections {
    /// Adds a connection of this device.
    pub(crate) fn add(&self, key_id: DeviceKeyId) -> ConnectionGuard {
        let mut devices = self.0.locked();
        let connected = devices.entry(key_id).or_default();
        connected.connections = connected.connections.saturating_add(1);
        if *connected.reason.borrow() == Some(CloseReason::Unchecked) {
            // Earlier connections of the device are still closing. They keep their own channel.
            connected.reason = watch::Sender::default();
        }
        ConnectionGuard { key_id, devices: self.0.clone(), reason: connected.reason.subscribe() }
    }

    /// Closes all connections of a device.
    pub(crate) fn revoke(&self, key_id: &DeviceKeyId) {
        self.0.close(key_id, CloseReason::Revoked);
    }

    /// Asks the registry about every connected device, again and again. Never returns.
    pub(crate) async fn poll_revocations(
        &self,
        registry: &dyn Registry,
        limits: &RelyingPartyLimits,
    ) {
        let mut turns = interval(limits.revocation_interval);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = Instant::now();
        let mut was_checked = true;
        loop {
            turns.tick().await;
            let time_left = limits.unchecked_at_most.saturating_sub(checked.elapsed());
            match timeout(time_left.max(limits.revocation_interval), self.close_revoked(registry))
                .await
            {
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
                && self.0.close_all(CloseReason::Unchecked)
            {
                error!("connections were closed that could not be checked for revocation");
            }
        }
    }

    async fn close_revoked(&self, registry: &dyn Registry) -> Result<(), RegistryError> {
        let open: Vec<_> = self.0.locked().keys().copied().collect();
        for chunk in open.chunks(KEY_IDS_PER_QUERY) {
            let enrolled = registry.still_enrolled(chunk).await?;
            for key_id in chunk.iter().filter(|key_id| !enrolled.contains(key_id)) {
                self.0.close(key_id, CloseReason::Revoked);
            }
        }
        Ok(())
    }
}

impl ConnectedDevices {
    fn locked(&self) -> MutexGuard<'_, HashMap<DeviceKeyId, ConnectedDevice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, key_id: &DeviceKeyId, reason: CloseReason) {
        if let Some(connected) = self.locked().get(key_id) {
            connected.close(reason);
        }
    }

    /// Returns whether at least one device was connected and not yet told to close.
    fn close_all(&self, reason: CloseReason) -> bool {
        let devices = self.locked();
        devices.values().filter(|connected| connected.close(reason)).count() > 0
    }
}

impl ConnectedDevice {
    /// Sets the reason, unless a reason is set already. Returns whether this reason was set.
    fn close(&self, reason: CloseReason) -> bool {
        self.reason.send_if_modified(|seen| seen.is_none() && seen.replace(reason).is_none())
    }
}

impl ConnectionGuard {
    /// Waits until the connection must be closed, and returns why.
    pub(crate) async fn must_close(&mut self) -> CloseReason {
        match self.reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(CloseReason::Unchecked),
            // Nobody checks the device for revocation any more.
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
