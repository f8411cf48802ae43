//! Counts a connection's requests in flight, and their bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::ServerLimits;

/// The requests of one connection that are running, or whose answers nobody has taken yet.
#[derive(Clone, Default)]
pub(crate) struct InFlight {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// One request in flight. It is dropped together with the request's answer.
pub(crate) struct InFlightRequest {
    counts: Arc<Counts>,
    bytes: usize,
}

impl InFlight {
    /// Whether one more request may begin. The result stays true until the request begins, because
    /// no other code begins requests on this connection.
    pub(crate) fn has_room(&self, bytes: usize, limits: &ServerLimits) -> bool {
        let requests = self.counts.requests.load(Ordering::Relaxed);
        let held = self.counts.bytes.load(Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limits.request_bytes_per_connection;
        requests < limits.requests_per_connection && (fits || requests == 0)
    }

    /// Counts one more request.
    pub(crate) fn begin(&self, bytes: usize) -> InFlightRequest {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        InFlightRequest { counts: Arc::clone(&self.counts), bytes }
    }

    /// Whether no request is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.requests.load(Ordering::Acquire) == 0
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts.requests.fetch_sub(1, Ordering::Release);
    }
}
