//! Decides when the connection to the TPM is opened, kept, replaced and closed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::error::OperationError;
use crate::link::{Leftovers, Link};
use crate::settings::TpmSettings;

/// How long a connection may be idle before it is closed. A TPM without a resource manager
/// serves one program at a time. This time is short for a program that waits, and long enough for
/// the next request of a burst.
const IDLE: Duration = Duration::from_millis(100);

/// How long this program keeps a connection that is never idle. It closes even such a connection,
/// because other programs would starve.
const LONGEST_TURN: Duration = Duration::from_millis(500);

/// The one connection to the TPM. It is opened when it is needed, kept while it is used, and closed
/// so that other programs get their turn. With the kernel's resource manager it is never closed.
pub(crate) struct Turns {
    settings: TpmSettings,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    closing: Condvar,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Whether a thread waits for the connection to become idle.
    is_watched: bool,
    is_closing: bool,
    leftovers: Leftovers,
}

impl State {
    fn close(&mut self, connection: Connection) {
        self.leftovers = connection.link.close();
    }
}

struct Connection {
    link: Link,
    opened: Instant,
    last_used: Instant,
}

impl Connection {
    fn new(link: Link) -> Self {
        let now = Instant::now();
        Self { link, opened: now, last_used: now }
    }
}

impl Shared {
    /// Locks the state. The state is consistent even after a panic, because it holds either a whole
    /// connection or none.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    pub(crate) fn new(settings: TpmSettings) -> Self {
        Self { settings, shared: Arc::default() }
    }

    pub(crate) fn settings(&self) -> &TpmSettings {
        &self.settings
    }

    /// Runs an operation on the connection. The operation runs a second time, on a new connection,
    /// in three cases: the kept connection is stale, a key is lost as far as a kept connection
    /// shows, or a simulator is full. The second run is safe, because a failed operation leaves at
    /// most loaded objects and sessions in the TPM, and these are flushed or already lost.
    pub(crate) fn run<T>(
        &self,
        operation: impl Fn(&mut Link, Instant) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        // The deadline includes the wait for other threads.
        let deadline = Instant::now() + self.settings.deadline;
        let mut state = self.shared.lock();
        let kept = state.connection.take();
        let was_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open(&mut state, deadline)?,
        };
        let mut result = operation(&mut connection.link, deadline);
        let is_stale = was_kept && result.as_ref().is_err_and(OperationError::is_stale_connection);
        let is_lost =
            was_kept && result.as_ref().is_err_and(OperationError::is_lost_to_this_connection);
        let is_full = self.settings.is_surely_simulated()
            && result.as_ref().is_err_and(OperationError::is_full);
        if is_stale || is_lost || is_full {
            debug!(is_stale, is_lost, is_full, "the connection to the TPM is replaced");
            // A simulator serves one connection at a time, so the old connection must be closed
            // before the new connection is opened.
            if is_full {
                connection.link.flush_everything(deadline)?;
            } else if is_lost {
                state.close(connection);
            } else {
                // Handles that cannot be flushed are ignored, because the TPM lost them already.
                drop(connection.link.close());
            }
            connection = self.open(&mut state, deadline)?;
            result = operation(&mut connection.link, deadline);
        }
        self.put_back(&mut state, connection, result.as_ref().err());
        result
    }

    /// Runs an operation if a connection is open. Otherwise this does nothing.
    pub(crate) fn run_if_open(
        &self,
        operation: impl FnOnce(&mut Link, Instant) -> Result<(), OperationError>,
    ) {
        let deadline = Instant::now() + self.settings.deadline;
        let mut state = self.shared.lock();
        if let Some(mut connection) = state.connection.take() {
            let result = operation(&mut connection.link, deadline);
            self.put_back(&mut state, connection, result.as_ref().err());
        }
    }

    fn open(&self, state: &mut State, deadline: Instant) -> Result<Connection, OperationError> {
        Ok(Connection::new(Link::open(&self.settings, &mut state.leftovers, deadline)?))
    }

    /// Keeps the connection if another operation can use it, and closes it otherwise.
    fn put_back(
        &self,
        state: &mut State,
        mut connection: Connection,
        error: Option<&OperationError>,
    ) {
        match error {
            Some(error) if error.is_stale_connection() => drop(connection.link.close()),
            Some(error) if !error.leaves_connection_usable() => state.close(connection),
            _ => {
                let must_share = !self.settings.has_resource_manager();
                let is_turn_over = must_share && connection.opened.elapsed() >= LONGEST_TURN;
                if is_turn_over || (must_share && !self.watch(state)) {
                    state.close(connection);
                } else {
                    connection.last_used = Instant::now();
                    state.connection = Some(connection);
                }
            }
        }
    }

    /// Starts a thread that closes the connection when it is idle, unless such a thread runs
    /// already. Returns whether a thread runs.
    fn watch(&self, state: &mut State) -> bool {
        if !state.is_watched {
            let shared = Arc::clone(&self.shared);
            let watcher = thread::Builder::new()
                .name("tpm-idle".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || close_when_idle(&shared));
            state.is_watched = watcher.is_ok();
        }
        state.is_watched
    }
}

fn close_when_idle(shared: &Shared) {
    let mut state = shared.lock();
    while let Some(connection) = &state.connection {
        let left = IDLE.saturating_sub(connection.last_used.elapsed());
        if left.is_zero() || state.is_closing {
            break;
        }
        state = shared.closing.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    state.is_watched = false;
    if let Some(connection) = state.connection.take() {
        // The connection is closed under the lock. A new request would have to wait anyway, because
        // a TPM without a resource manager serves one connection at a time.
        state.close(connection);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closing = true;
        if let Some(connection) = state.connection.take() {
            state.close(connection);
        }
        self.shared.closing.notify_all();
    }
}
