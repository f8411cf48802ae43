use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::ServerLimits;

/// The requests of one connection that are at work, or whose answers nobody has taken yet.
#[derive(Clone, Default)]
pub(crate) struct InFlight {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// One of them; dropped with its answer.
pub(crate) struct Place {
    counts: Arc<Counts>,
    bytes: usize,
}

impl InFlight {
    /// Whether one more may begin. Only its connection begins any, so the room stays until then.
    pub(crate) fn has_room(&self, bytes: usize, limits: &ServerLimits) -> bool {
        let requests = self.counts.requests.load(Ordering::Relaxed);
        let held = self.counts.bytes.load(Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limits.request_bytes_per_connection;
        requests < limits.requests_per_connection && (fits || requests == 0)
    }

    /// Counts one more.
    pub(crate) fn take(&self, bytes: usize) -> Place {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        Place { counts: Arc::clone(&self.counts), bytes }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.requests.load(Ordering::Acquire) == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts.requests.fetch_sub(1, Ordering::Release);
    }
}
