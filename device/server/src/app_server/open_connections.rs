//! Knows whether any connection is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The number of open connections.
#[derive(Clone, Default)]
pub(super) struct OpenConnections {
    count: Arc<watch::Sender<usize>>,
}

/// A connection that is open, or whose answers are not delivered yet.
pub(crate) struct OpenConnection {
    connections: OpenConnections,
    /// The server waits for this connection when it stops.
    _tracked: TaskTrackerToken,
}

impl OpenConnections {
    pub(super) fn open(&self, tracked: TaskTrackerToken) -> OpenConnection {
        self.count.send_modify(|count| *count = count.saturating_add(1));
        OpenConnection { connections: self.clone(), _tracked: tracked }
    }

    /// Waits until no connection was open for this time.
    pub(super) async fn none_for(&self, time: Duration) {
        let mut count = self.count.subscribe();
        loop {
            // Neither wait can fail, because the sender is in `self`.
            let _ = count.wait_for(|count| *count == 0).await;
            if timeout(time, count.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}
