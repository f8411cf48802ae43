//! A bounded number of operations in one provider, and a bounded number waiting, in a fair order.

mod fair_queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::{Instrument as _, debug_span};

use crate::{DeviceKeyError, LocalPeer};
use fair_queue::FairQueue;

pub(crate) use fair_queue::Claimant;

/// How many may wait for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingLimits {
    pub(crate) in_all: usize,
    pub(crate) per_owner: usize,
}

/// Lets a bounded number of operations in at a time. Who waits holds no thread.
///
/// A slow provider thereby slows only itself, and who floods it only himself.
pub(crate) struct Lane {
    name: &'static str,
    concurrency: usize,
    limits: WaitingLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: FairQueue<oneshot::Sender<Turn>>,
}

/// The right to go in; handed to who is next when dropped.
pub(crate) struct Turn {
    /// Taken out of a turn that could not be handed on.
    lane: Option<Arc<Lane>>,
}

impl Claimant {
    pub(crate) const fn of(peer: &LocalPeer) -> Self {
        Self { owner: Some(peer.owner()), connection: peer.connection() }
    }

    pub(crate) fn service() -> Self {
        Self { owner: None, connection: crate::ConnectionId::default() }
    }
}

impl Lane {
    /// The name is that of the provider, for whoever watches how many wait.
    pub(crate) fn new(name: &'static str, concurrency: usize, limits: WaitingLimits) -> Arc<Self> {
        let concurrency = concurrency.max(1);
        Arc::new(Self { name, concurrency, limits, state: Mutex::default() })
    }

    /// A turn, if there is room. Then nobody waits: a turn that is given back goes to who waits.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Turn> {
        self.lock().take_room(self.concurrency).then(|| self.turn())
    }

    /// Waits for a turn. Dropping the future gives the place up.
    pub(crate) async fn enter(self: &Arc<Self>, who: Claimant) -> Result<Turn, DeviceKeyError> {
        let waiting = {
            let mut state = self.lock();
            if state.take_room(self.concurrency) {
                return Ok(self.turn());
            }
            if !state.admits(who, self.limits) {
                // Some may have given up meanwhile.
                state.waiting.retain(|waiter| !waiter.is_closed());
                if !state.admits(who, self.limits) {
                    return Err(DeviceKeyError::Overloaded);
                }
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(who, sender);
            receiver
        };
        // The sender lies in the queue of this very lane until it is used.
        let span = debug_span!("waiting", provider = self.name);
        waiting.instrument(span).await.map_err(|closed| DeviceKeyError::Internal(closed.into()))
    }

    fn turn(self: &Arc<Self>) -> Turn {
        Turn { lane: Some(Arc::clone(self)) }
    }

    /// The counters stay right whatever panicked elsewhere: they change only in here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_room(&mut self, concurrency: usize) -> bool {
        let has_room = self.running < concurrency;
        self.running += usize::from(has_room);
        has_room
    }

    fn admits(&self, who: Claimant, limits: WaitingLimits) -> bool {
        self.waiting.len() < limits.in_all && self.waiting.len_of(who.owner) < limits.per_owner
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        let mut state = lane.lock();
        while let Some(next) = state.waiting.pop() {
            match next.send(lane.turn()) {
                Ok(()) => return,
                // Given up: the turn is this one still, and must not be given back twice.
                Err(mut turn) => drop(turn.lane.take()),
            }
        }
        state.running = state.running.saturating_sub(1);
    }
}
