//! What all HTTP requests and device connections share.

use std::sync::Arc;

use device_key_websocket::Probe;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::error::RelyingPartyError;
use crate::relying_party::RelyingParty;

/// The state that every handler gets.
pub(super) struct HttpState {
    pub(super) relying_party: Arc<RelyingParty>,
    /// Whether the store can be read and written.
    pub(super) readiness: Probe<Result<(), Arc<RelyingPartyError>>>,
    pub(super) accounts: Arc<dyn Accounts>,
    /// Bounds the open connections of devices.
    pub(super) device_slots: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    /// The tasks of HTTP connections and of device connections.
    pub(super) tasks: TaskTracker,
}
