//! How a request notices that its client has left.

use tokio::sync::mpsc;

use super::QueuedAnswer;

/// Tells when nobody can take the answers of a connection any more.
#[derive(Clone)]
pub(crate) struct Departure(mpsc::Sender<QueuedAnswer>);

impl Departure {
    pub(super) const fn new(answers: mpsc::Sender<QueuedAnswer>) -> Self {
        Self(answers)
    }

    /// Waits until the connection has ended.
    pub(crate) async fn wait(self) {
        self.0.closed().await;
    }
}
