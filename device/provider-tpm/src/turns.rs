use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::debug;

use crate::{
    TpmSettings,
    error::OperationError,
    link::{Leftovers, Link},
};

/// A TPM without a resource manager serves one program at a time. A connection that is idle for so
/// long is given back: short for a program that waits, long for our next request in a burst.
const IDLE: Duration = Duration::from_millis(100);

/// A busy program gives the connection back too, or others would starve.
const LONGEST_TURN: Duration = Duration::from_millis(500);

/// One connection, opened when it is needed, kept while it is used, given back so that others get
/// their turn. Behind the kernel's resource manager it is simply kept.
pub(crate) struct Turns {
    settings: TpmSettings,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    closing: Condvar,
}

#[derive(Default)]
struct Held {
    open: Option<Open>,
    /// Whether a thread waits for the connection to become idle.
    is_watched: bool,
    is_closing: bool,
    leftovers: Leftovers,
}

impl Held {
    fn close(&mut self, open: Open) {
        self.leftovers = open.link.close();
    }
}

struct Open {
    link: Link,
    opened: Instant,
    last_used: Instant,
}

impl Open {
    fn new(link: Link) -> Self {
        let now = Instant::now();
        Self { link, opened: now, last_used: now }
    }
}

impl Shared {
    /// The slot is consistent whatever panicked: a connection is in it whole, or not at all.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    pub(crate) fn new(settings: TpmSettings) -> Self {
        Self { settings, shared: Arc::default() }
    }

    pub(crate) fn settings(&self) -> &TpmSettings {
        &self.settings
    }

    /// Runs an operation on the connection. One that finds a kept connection stale runs once more on
    /// a new one: whatever it did before is gone with the TPM's volatile state. So does one whose
    /// secret is refused in a kept session, and one that finds no room in a simulator.
    pub(crate) fn run<T>(
        &self,
        operation: impl Fn(&mut Link, Instant) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        // Waiting for another thread counts too.
        let deadline = Instant::now() + self.settings.deadline;
        let mut held = self.shared.lock();
        let kept = held.open.take();
        let was_kept = kept.is_some();
        let mut open = match kept {
            Some(open) => open,
            None => self.open(&mut held, deadline)?,
        };
        let mut result = operation(&mut open.link, deadline);
        let is_stale = was_kept && result.as_ref().is_err_and(OperationError::is_stale_connection);
        let is_refused = was_kept && result.as_ref().is_err_and(OperationError::is_refused_secret);
        let is_full = self.settings.is_surely_simulated()
            && result.as_ref().is_err_and(OperationError::is_full);
        if is_stale || is_refused || is_full {
            debug!(is_stale, is_refused, is_full, "the connection to the TPM is replaced");
            // A simulator serves one connection: the old one must be gone before the new one.
            if is_full {
                open.link.flush_everything(deadline)?;
            } else if is_refused {
                held.close(open);
            } else {
                // What cannot be flushed any more went with the TPM's memory.
                drop(open.link.close());
            }
            open = self.open(&mut held, deadline)?;
            result = operation(&mut open.link, deadline);
        }
        self.put_back(&mut held, open, result.as_ref().err());
        result
    }

    /// Runs an operation if a connection is open, and does nothing else.
    pub(crate) fn run_if_open(
        &self,
        operation: impl FnOnce(&mut Link, Instant) -> Result<(), OperationError>,
    ) {
        let deadline = Instant::now() + self.settings.deadline;
        let mut held = self.shared.lock();
        if let Some(mut open) = held.open.take() {
            let result = operation(&mut open.link, deadline);
            self.put_back(&mut held, open, result.as_ref().err());
        }
    }

    fn open(&self, held: &mut Held, deadline: Instant) -> Result<Open, OperationError> {
        Ok(Open::new(Link::open(&self.settings, &mut held.leftovers, deadline)?))
    }

    /// Keeps a connection that another operation can use.
    fn put_back(&self, held: &mut Held, mut open: Open, error: Option<&OperationError>) {
        match error {
            Some(error) if error.is_stale_connection() => drop(open.link.close()),
            Some(error) if !error.leaves_connection_usable() => held.close(open),
            _ => {
                let must_share = !self.settings.has_resource_manager();
                let is_turn_over = must_share && open.opened.elapsed() >= LONGEST_TURN;
                if is_turn_over || (must_share && !self.watch(held)) {
                    held.close(open);
                } else {
                    open.last_used = Instant::now();
                    held.open = Some(open);
                }
            }
        }
    }

    /// Makes sure that somebody gives the connection back; whether that is so.
    fn watch(&self, held: &mut Held) -> bool {
        if !held.is_watched {
            let shared = Arc::clone(&self.shared);
            let watcher = thread::Builder::new()
                .name("tpm-idle".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || give_back_when_idle(&shared));
            held.is_watched = watcher.is_ok();
        }
        held.is_watched
    }
}

fn give_back_when_idle(shared: &Shared) {
    let mut held = shared.lock();
    while let Some(open) = &held.open {
        let left = IDLE.saturating_sub(open.last_used.elapsed());
        if left.is_zero() || held.is_closing {
            break;
        }
        held = shared.closing.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    held.is_watched = false;
    if let Some(open) = held.open.take() {
        // Under the lock: a request that came now would only have to wait for the same simulator.
        held.close(open);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        let mut held = self.shared.lock();
        held.is_closing = true;
        if let Some(open) = held.open.take() {
            held.close(open);
        }
        self.shared.closing.notify_all();
    }
}
