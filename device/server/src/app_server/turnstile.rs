//! Shares the thread that serves connections among users, one turn at a time.
//!
//! One connection has a turn at a time. Turns go round among users, and then among the connections
//! of a user, so a user with many connections gets no more than a user with one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use device_key::{FairSemaphore, Requester};
use tokio::task::yield_now;

/// The work of one turn. A message, a blank line and a read without a whole message cost 1, which
/// stands for a few microseconds. A message costs 1 more for each [`UNIT_BYTES`] of its length.
const TURN: usize = 8;
const UNIT_BYTES: usize = 1024;

/// Gives turns to connections.
pub(crate) struct Turnstile {
    semaphore: Arc<FairSemaphore>,
    /// The work of the turns since other tasks ran.
    spent: AtomicUsize,
    /// The number of turns so far.
    turns: AtomicU64,
}

/// A turn of one connection.
#[derive(Default)]
pub(crate) struct Turn {
    spent: usize,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            semaphore: FairSemaphore::of_turns(),
            spent: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
        }
    }
}

impl Turnstile {
    /// The number of turns so far.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Waits for a turn, and works as long as it lasts. `work` must not wait for anything.
    ///
    /// Turns that together used up one turn's work end only after other tasks have run. Whoever has
    /// become ready meanwhile has a place in the queue before the next turn begins.
    pub(crate) async fn take<T>(
        &self,
        requester: Requester,
        work: impl FnOnce(&mut Turn) -> T,
    ) -> T {
        // Never fails, because the semaphore refuses no request.
        let _permit = self.semaphore.acquire(requester).await;
        self.turns.fetch_add(1, Ordering::Relaxed);
        let mut turn = Turn::default();
        let done = work(&mut turn);
        if self.spent.fetch_add(turn.spent, Ordering::Relaxed) + turn.spent >= TURN {
            yield_now().await;
            self.spent.store(0, Ordering::Relaxed);
        }
        done
    }
}

impl Turn {
    /// Whether nothing is left.
    pub(crate) const fn is_over(&self) -> bool {
        self.spent >= TURN
    }

    /// Spends what a message of this length costs.
    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.spent += 1 + bytes / UNIT_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use device_key::{ConnectionId, OwnerUid, Requester};
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::{TURN, Turnstile, UNIT_BYTES};

    const PATIENCE: Duration = Duration::from_mins(1);
    const MANY: u64 = 16;

    #[tokio::test]
    async fn a_user_with_many_connections_gets_as_much_as_one_with_a_single_connection() {
        // Lines that cost little, lines that use up a turn, and a line that uses up many.
        for bytes in [0, TURN * UNIT_BYTES, 1 << 20] {
            let turnstile = Arc::new(Turnstile::default());
            let (served, mut order) = mpsc::unbounded_channel();
            for number in 0..=MANY {
                let owner = Some(OwnerUid::new(u32::from(number == MANY)));
                let requester = Requester { owner, connection: ConnectionId::new(number) };
                let (turnstile, served) = (Arc::clone(&turnstile), served.clone());
                tokio::spawn(async move {
                    while turnstile
                        .take(requester, |turn| {
                            while !turn.is_over() {
                                turn.spend(bytes);
                            }
                            served.send(number).is_ok()
                        })
                        .await
                    {}
                });
            }
            // Every connection has begun once the last has had a turn.
            while timeout(PATIENCE, order.recv()).await.unwrap() != Some(MANY) {}
            let mut turns = Vec::new();
            for _ in 0..2 * MANY {
                turns.push(timeout(PATIENCE, order.recv()).await.unwrap().unwrap());
            }
            assert!(turns.iter().skip(1).step_by(2).all(|number| *number == MANY), "{turns:?}");
            let mut others: Vec<_> = turns.into_iter().step_by(2).collect();
            others.sort_unstable();
            assert_eq!(others, (0..MANY).collect::<Vec<_>>(), "each once");
        }
    }
}
