//! The queue between the threads that log and the one thread that writes to standard error.
//!
//! Writing to a pipe that nobody reads blocks for ever, so only the writer's thread does it. All
//! other threads put their lines into the queue, or drop and count a line that does not fit. The
//! lines of the queue keep their order, but audit events and other events have room of their own.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Metadata, info, warn};
use tracing_subscriber::fmt::MakeWriter;

use crate::audit_shares::{AuditShares, Owner};
use crate::one_line::AUDIT;
use crate::standard_error;

/// How many audit events may wait, those included for which room is only reserved.
const AUDIT_EVENTS: usize = 2048;
/// How many other events may wait, and how many bytes they may have together.
const OTHER_EVENTS: usize = 4096;
const OTHER_BYTES: usize = 1 << 20;

/// How many bytes are written at once, except for a longer line. A pipe takes this many bytes as a
/// whole (`PIPE_BUF`, pipe(7)), so lines stay whole if several processes log to one pipe.
const WRITE_BYTES: usize = 4096;

/// How long the writer pauses if writing fails, for example because a disk is full.
const PAUSE: Duration = Duration::from_millis(250);

/// The stack of the writer's thread in bytes. It formats a short event at most.
const STACK_BYTES: usize = 256 * 1024;

thread_local! {
    /// The room that the event which this thread logs just now already has.
    static ROOM: Cell<Option<Room>> = const { Cell::new(None) };
}

/// The room of a line in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// Room for an audit event of this user, reserved before the event. The line is written again
    /// until it succeeds.
    Reserved(Owner),
    /// Room for an audit event of this user that may be dropped.
    Audit(Owner),
    /// The room of any other event of this many bytes.
    Other(usize),
    /// A report of dropped events is always accepted, and takes no room.
    Report,
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogQueue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when a line was put into the queue.
    filled: Condvar,
    /// Notified when the writer has nothing to do.
    emptied: Condvar,
}

struct State {
    lines: VecDeque<(Vec<u8>, Room)>,
    audit: AuditShares,
    other_events: usize,
    other_bytes: usize,
    dropped: Dropped,
    has_writer: bool,
    /// Whether the writer has written every line.
    is_idle: bool,
}

/// How many events were dropped since the last report.
#[derive(Clone, Copy, Debug, Default)]
struct Dropped {
    audit: u64,
    other: u64,
}

impl LogQueue {
    pub(crate) fn new() -> Self {
        let state = State {
            lines: VecDeque::new(),
            audit: AuditShares::new(AUDIT_EVENTS),
            other_events: 0,
            other_bytes: 0,
            dropped: Dropped::default(),
            has_writer: false,
            is_idle: true,
        };
        let (filled, emptied) = Default::default();
        Self { shared: Arc::new(Shared { state: Mutex::new(state), filled, emptied }) }
    }

    /// Takes room for one audit event of this user, if the user's share is not used up.
    pub(crate) fn take_audit_room(&self, owner: Owner) -> bool {
        self.shared.lock().audit.take(owner)
    }

    /// Gives back room that was taken and not used.
    pub(crate) fn give_back(&self, room: Room) {
        self.shared.lock().give_back(room);
    }

    /// Counts an audit event that finds no room.
    pub(crate) fn count_dropped_audit_event(&self) {
        self.shared.lock().dropped.audit += 1;
    }

    /// Logs one event into room that was taken before. The room is given back if no line comes of
    /// it.
    pub(crate) fn log_into(&self, room: Room, event: impl FnOnce()) {
        ROOM.set(Some(room));
        event();
        if let Some(room) = ROOM.take() {
            self.give_back(room);
        }
    }

    /// Waits until every line is written, at most for this time.
    pub(crate) fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut state = self.shared.lock();
        while !(state.lines.is_empty() && state.is_idle) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.emptied.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, line: &[u8], is_audit: bool) {
        let mut state = self.shared.lock();
        let Some(room) = state.room_for(line, is_audit) else {
            state.count_dropped(if is_audit { Room::Audit(None) } else { Room::Other(0) });
            return;
        };
        state.lines.push_back((line.to_vec(), room));
        if !state.has_writer {
            // A process that logs nothing needs no thread. If the thread cannot be started now, the
            // next line tries again.
            let writer = thread::Builder::new().name("log".to_owned()).stack_size(STACK_BYTES);
            let shared = Arc::clone(&self.shared);
            state.has_writer = writer.spawn(move || write_lines(&shared)).is_ok();
        }
        if state.is_idle {
            state.is_idle = false;
            self.shared.filled.notify_one();
        }
    }
}

impl fmt::Debug for LogQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogQueue").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The room that the line has already, or room that is free.
    fn room_for(&mut self, line: &[u8], is_audit: bool) -> Option<Room> {
        if let Some(room) = ROOM.take() {
            return Some(room);
        }
        if is_audit {
            return self.audit.take(None).then_some(Room::Audit(None));
        }
        let bytes = self.other_bytes.saturating_add(line.len());
        (self.other_events < OTHER_EVENTS && bytes <= OTHER_BYTES).then(|| {
            self.other_events = self.other_events.saturating_add(1);
            self.other_bytes = bytes;
            Room::Other(line.len())
        })
    }

    fn give_back(&mut self, room: Room) {
        match room {
            Room::Reserved(owner) | Room::Audit(owner) => self.audit.give_back(owner),
            Room::Other(bytes) => {
                self.other_events = self.other_events.saturating_sub(1);
                self.other_bytes = self.other_bytes.saturating_sub(bytes);
            }
            Room::Report => {}
        }
    }

    fn count_dropped(&mut self, room: Room) {
        match room {
            Room::Reserved(_) | Room::Audit(_) => self.dropped.audit += 1,
            Room::Other(_) => self.dropped.other += 1,
            Room::Report => {}
        }
    }

    /// Moves the next lines into `bytes` and their rooms into `rooms`. Both are empty before.
    fn take_lines(&mut self, bytes: &mut Vec<u8>, rooms: &mut Vec<Room>) {
        while let Some((line, _)) = self.lines.front()
            && (bytes.is_empty() || bytes.len().saturating_add(line.len()) <= WRITE_BYTES)
            && let Some((line, room)) = self.lines.pop_front()
        {
            bytes.extend(line);
            rooms.push(room);
        }
    }

    /// The events that are to be reported as dropped now. A report waits until half of the room is
    /// free, so that a full queue is not filled with reports.
    fn take_dropped(&mut self) -> Dropped {
        let mut reported = Dropped::default();
        if self.audit.taken() <= AUDIT_EVENTS / 2 {
            reported.audit = std::mem::take(&mut self.dropped.audit);
        }
        if self.other_events <= OTHER_EVENTS / 2 && self.other_bytes <= OTHER_BYTES / 2 {
            reported.other = std::mem::take(&mut self.dropped.other);
        }
        reported
    }
}

/// The writer's thread. It ends with the process.
fn write_lines(shared: &Shared) {
    let (mut bytes, mut rooms) = (Vec::new(), Vec::new());
    loop {
        let mut state = shared.lock();
        while state.lines.is_empty() {
            state.is_idle = true;
            shared.emptied.notify_all();
            state = shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.take_lines(&mut bytes, &mut rooms);
        drop(state);

        let mut written = standard_error::write_all(&mut bytes);
        while written.is_err() && rooms.iter().any(|room| matches!(room, Room::Reserved(_))) {
            thread::sleep(PAUSE);
            written = standard_error::write_all(&mut bytes);
        }
        bytes.clear();
        let mut state = shared.lock();
        for room in rooms.drain(..) {
            state.give_back(room);
            if written.is_err() {
                state.count_dropped(room);
            }
        }
        // A report would fail as well, so reports wait until a line was written.
        let dropped = if written.is_ok() { state.take_dropped() } else { Dropped::default() };
        drop(state);
        report(dropped);
    }
}

fn report(Dropped { audit, other }: Dropped) {
    if audit > 0 {
        ROOM.set(Some(Room::Report));
        info!(target: AUDIT, dropped = audit, "audit events were dropped");
    }
    if other > 0 {
        ROOM.set(Some(Room::Report));
        warn!(dropped = other, "events were dropped, because standard error was not read in time");
    }
    // If the filter refused the event, the room is still there.
    ROOM.set(None);
}

/// Takes the line of one event.
pub(crate) struct LineWriter<'a> {
    queue: &'a LogQueue,
    is_audit: bool,
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { queue: self, is_audit: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter { queue: self, is_audit: metadata.target() == AUDIT }
    }
}

impl std::io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.queue.put(line, self.is_audit);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
