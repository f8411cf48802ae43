//! Summarises refusals that are repeated. A client can be refused more than a hundred thousand
//! times in a second, and a log with all these events would hide the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use device_key::OwnerUid;
use device_key_types::Reason;
use tracing::info;

use super::TARGET;
use super::log::{AuditLog, Room};

/// How many refusals of one kind are logged one by one in a [`WINDOW`]. Faults of honest clients
/// rarely come in such numbers.
const LOGGED: u32 = 16;

/// How long refusals are counted before the number is logged.
const WINDOW: Duration = Duration::from_secs(10);

/// Refusals that are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// `None` for remote peers.
    pub(super) owner: Option<OwnerUid>,
    pub(super) method: &'static str,
    pub(super) reason: Reason,
}

/// The refusals of the last seconds.
pub(super) struct Refusals {
    log: Arc<dyn AuditLog>,
    counts: Mutex<HashMap<Kind, Count>>,
}

#[derive(Default)]
struct Count {
    logged: u32,
    repeated: u64,
}

impl Refusals {
    pub(super) fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, counts: Mutex::default() }
    }

    /// Logs a refusal if there is room for it and it is one of the first of its kind. Otherwise the
    /// refusal is counted, and a later event has the number. Must be called within a Tokio runtime.
    pub(super) fn log(self: &Arc<Self>, kind: Kind, room: Option<Room>, event: &dyn Fn()) {
        let mut counts = self.counts();
        let count = counts.entry(kind).or_insert_with(|| {
            tokio::spawn(Arc::clone(self).summarise(kind));
            Count::default()
        });
        match room {
            Some(room) if count.logged < LOGGED => {
                count.logged = count.logged.saturating_add(1);
                drop(counts);
                room.log(event);
            }
            _ => count.repeated = count.repeated.saturating_add(1),
        }
    }

    /// Logs the numbers of one kind until a window passes without a repetition.
    async fn summarise(self: Arc<Self>, kind: Kind) {
        loop {
            tokio::time::sleep(WINDOW).await;
            let mut counts = self.counts();
            match counts.get_mut(&kind) {
                Some(count) if count.repeated > 0 => {
                    // Without room, the number grows until there is room.
                    if let Some(room) = Room::reserve(&self.log, kind.owner) {
                        let Count { repeated, .. } = std::mem::take(count);
                        drop(counts);
                        room.log(&|| summary(kind, repeated));
                    }
                }
                _ => {
                    counts.remove(&kind);
                    return;
                }
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Kind, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        for (kind, Count { repeated, .. }) in std::mem::take(&mut *self.counts()) {
            if repeated > 0
                && let Some(room) = Room::reserve(&self.log, kind.owner)
            {
                room.log(&|| summary(kind, repeated));
            }
        }
    }
}

fn summary(Kind { owner, method, reason }: Kind, repeated: u64) {
    let uid = owner.map(OwnerUid::as_raw);
    info!(target: TARGET, method, outcome = reason.as_str(), uid, repeated);
}
