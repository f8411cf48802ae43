//! What all HTTP requests and device connections share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::relying_party::RelyingParty;

/// The state that every handler gets.
pub(super) struct HttpState {
    pub(super) relying_party: RelyingParty,
    pub(super) accounts: Arc<dyn Accounts>,
    /// Bounds the open connections of devices.
    pub(super) device_slots: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    /// The tasks of HTTP connections and of device connections.
    pub(super) tasks: TaskTracker,
}
