//! A semaphore that serves a bounded number of waiting requests in a fair order.

mod fair_queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::{Instrument as _, Span, debug_span};

use crate::{DeviceKeyError, LocalPeer};
use fair_queue::FairQueue;

pub use fair_queue::Requester;

/// How many requests may wait for a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingLimits {
    pub(crate) in_all: usize,
    pub(crate) per_owner: usize,
}

impl WaitingLimits {
    const NONE: Self = Self { in_all: usize::MAX, per_owner: usize::MAX };
}

/// Lets a bounded number of operations run at a time. A request that waits holds no thread.
///
/// Each provider has its own semaphore. A slow provider therefore delays only its own callers, and
/// a user who floods a provider delays mainly their own requests.
pub struct FairSemaphore {
    name: Option<&'static str>,
    concurrency: usize,
    state: Mutex<State>,
}

struct State {
    limits: WaitingLimits,
    running: usize,
    waiting: FairQueue<oneshot::Sender<Permit>>,
}

/// The right to run one operation. When dropped, the permit goes to the next request that waits.
pub struct Permit {
    /// `None` only in a permit that could not be passed on.
    semaphore: Option<Arc<FairSemaphore>>,
}

impl Requester {
    pub(crate) const fn of(peer: &LocalPeer) -> Self {
        Self { owner: Some(peer.owner()), connection: peer.connection() }
    }

    pub(crate) fn service() -> Self {
        Self { owner: None, connection: crate::ConnectionId::default() }
    }
}

impl FairSemaphore {
    /// `name` is the name of the provider. The spans of waiting requests record it.
    pub(crate) fn new(name: &'static str, concurrency: usize, limits: WaitingLimits) -> Arc<Self> {
        Self::with(Some(name), concurrency.max(1), limits)
    }

    /// A semaphore that gives turns of microseconds, one at a time. It refuses no request, and
    /// records no span of a request that waits.
    pub fn of_turns() -> Arc<Self> {
        Self::with(None, 1, WaitingLimits::NONE)
    }

    fn with(name: Option<&'static str>, concurrency: usize, limits: WaitingLimits) -> Arc<Self> {
        let state = State { limits, running: 0, waiting: FairQueue::default() };
        Arc::new(Self { name, concurrency, state: Mutex::new(state) })
    }

    /// Applies these limits to operations that come from now on.
    pub(crate) fn set_limits(&self, limits: WaitingLimits) {
        self.lock().limits = limits;
    }

    /// Takes a permit if one is free. This cannot overtake a waiting request: a permit that is
    /// released while requests wait goes straight to the next of them and is never free.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        self.lock().take_room(self.concurrency).then(|| self.permit())
    }

    /// Waits for a permit. Dropping the future gives up the place in the queue. Fails with
    /// [`Overloaded`](DeviceKeyError::Overloaded) if too many requests wait.
    pub async fn acquire(self: &Arc<Self>, requester: Requester) -> Result<Permit, DeviceKeyError> {
        let limits = self.lock().limits;
        self.acquire_within(requester, limits).await
    }

    /// Waits for a permit for an operation that has had a permit of this store before. Such an
    /// operation is never refused, because the work that it has done would be lost.
    pub(crate) async fn acquire_again(
        self: &Arc<Self>,
        requester: Requester,
    ) -> Result<Permit, DeviceKeyError> {
        self.acquire_within(requester, WaitingLimits::NONE).await
    }

    async fn acquire_within(
        self: &Arc<Self>,
        requester: Requester,
        limits: WaitingLimits,
    ) -> Result<Permit, DeviceKeyError> {
        let waiting = {
            let mut state = self.lock();
            if state.take_room(self.concurrency) {
                return Ok(self.permit());
            }
            if !state.has_place_for(requester, limits) {
                // Some waiting requests may have been dropped meanwhile.
                state.waiting.retain(|waiter| !waiter.is_closed());
                if !state.has_place_for(requester, limits) {
                    return Err(DeviceKeyError::Overloaded);
                }
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(requester, sender);
            receiver
        };
        // The queue keeps the sender until it sends the permit, so the channel does not close
        // earlier.
        let span =
            self.name.map_or_else(Span::none, |name| debug_span!("waiting", provider = name));
        waiting.instrument(span).await.map_err(|closed| DeviceKeyError::Internal(closed.into()))
    }

    fn permit(self: &Arc<Self>) -> Permit {
        Permit { semaphore: Some(Arc::clone(self)) }
    }

    /// The counters change only in this file, so they are right even after a panic elsewhere.
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

    fn has_place_for(&self, requester: Requester, limits: WaitingLimits) -> bool {
        self.waiting.len() < limits.in_all
            && self.waiting.len_of(requester.owner) < limits.per_owner
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(semaphore) = self.semaphore.take() else { return };
        let mut state = semaphore.lock();
        while let Some(next) = state.waiting.pop() {
            match next.send(semaphore.permit()) {
                Ok(()) => return,
                // The request was dropped. The returned permit is this permit, which must not be
                // released twice.
                Err(mut permit) => drop(permit.semaphore.take()),
            }
        }
        state.running = state.running.saturating_sub(1);
    }
}
