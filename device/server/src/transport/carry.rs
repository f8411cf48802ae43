//! The loop that drives one connection, whatever its transport.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use device_key_protocol::Answer;
use device_key_types::Reason;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::app_server::AppServer;
use crate::app_server::connection_slots::Usage;
use crate::app_server::turnstile::Turn;
use crate::connection::{Answers, Connection, RawMessage};

/// How many bytes of unwritten answers fill a sink. A client that does not read makes the server
/// hold little more than this, and a client that reads gets up to this much in one write.
pub(super) const FULL_BYTES: usize = 64 * 1024;

/// Where a client's messages come from.
pub(super) trait MessageSource {
    /// Why nothing more can be read, and the connection ends at once.
    type Error;

    /// The next message of what was read. `None` if more has to be read first, or the turn is over.
    /// Whatever was read costs a part of the turn, also if it earns no answer.
    fn next(&mut self, turn: &mut Turn) -> Option<RawMessage<'_>>;

    /// Waits for more. Returns `false` at the end of the input, whose requests are still answered.
    /// The future may be dropped and made again.
    async fn read(&mut self) -> Result<bool, Self::Error>;
}

/// Where a client's answers go.
pub(super) trait AnswerSink {
    /// Why nothing more can be written, and the connection ends at once.
    type Error;

    /// Takes an answer that is to be written.
    fn push(&mut self, answer: &Answer);

    /// Whether there are few unwritten answers, so that another request may be served.
    fn has_room(&self) -> bool;

    /// Whether the transport has taken everything.
    fn is_empty(&self) -> bool;

    /// Writes as much as the client takes. The future may be dropped and made again.
    async fn write_some(&mut self) -> Result<(), Self::Error>;

    /// Waits until nobody can take an answer any more, and then fails. The future may be dropped
    /// and made again.
    async fn hung_up(&mut self) -> Result<(), Self::Error>;
}

/// Reads, serves and answers until the input ends or the server stops, and every request is
/// answered. Fails as soon as the source or the sink fails.
///
/// One loop does all the work, so that a request that does not have to wait costs one read and one
/// write, and no task is woken in between. The loop accepts no request while too many
/// answers are unwritten. It serves what was read only while the connection has a turn.
pub(super) async fn carry<E>(
    connection: Connection,
    mut answers: Answers,
    source: &mut impl MessageSource<Error = E>,
    sink: &mut impl AnswerSink<Error = E>,
) -> Result<(), E> {
    let mut requests = Requests::new(connection);
    let mut stopped = pin!(requests.server.stopping().clone().cancelled_owned());
    let mut leaving = pin!(requests.usage.must_leave.clone().cancelled_owned());
    let mut late = pin!(sleep(requests.handshake().unwrap_or_default()));
    let mut is_answered = false;
    let mut has_looked_again = false;
    loop {
        requests.serve(source, sink).await;
        if is_answered && sink.is_empty() {
            return Ok(());
        }
        let has_room = sink.has_room();
        tokio::select! {
            biased;
            () = &mut late, if requests.handshake().is_some() => {
                requests.end(Reason::NotInitialized, sink);
            }
            written = written(sink), if !sink.is_empty() || requests.await_only_answers() => written?,
            answer = answers.next(), if has_room && !is_answered => match answer {
                Some(answer) => {
                    sink.push(&answer);
                    while sink.has_room() && let Some(answer) = answers.next_now() {
                        sink.push(&answer);
                    }
                }
                // The connection is over, and its last request is answered.
                None => is_answered = true,
            },
            has_more = source.read(), if has_room && requests.wants_more() => {
                requests.has_unserved = true;
                requests.has_ended = !has_more?;
            }
            () = ready(()), if has_room && requests.has_unserved => {}
            () = &mut leaving, if requests.is_idle() && sink.is_empty() => {
                requests.end(Reason::Overloaded, sink);
            }
            () = &mut stopped, if requests.is_idle() && sink.is_empty() => {
                // The kernel may hold requests that the client sent before the server was told to
                // stop, so the loop looks once more.
                if std::mem::replace(&mut has_looked_again, true) {
                    requests.connection = None;
                } else {
                    yield_now().await;
                }
            }
        }
    }
}

/// Writes what there is to write. A client that sends nothing more may leave before its answers are
/// ready, and then only the sink can tell.
async fn written<S: AnswerSink>(sink: &mut S) -> Result<(), S::Error> {
    if sink.is_empty() { sink.hung_up().await } else { sink.write_some().await }
}

/// The incoming half of a connection.
struct Requests {
    /// `None` when nothing more is served. The answers then end with the last request in flight.
    connection: Option<Connection>,
    server: AppServer,
    usage: Arc<Usage>,
    /// Whether the source may have messages that were read and not served yet.
    has_unserved: bool,
    has_ended: bool,
}

impl Requests {
    fn new(connection: Connection) -> Self {
        Self {
            server: connection.server().clone(),
            usage: Arc::clone(connection.usage()),
            connection: Some(connection),
            has_unserved: false,
            has_ended: false,
        }
    }

    const fn wants_more(&self) -> bool {
        self.connection.is_some() && !self.has_unserved
    }

    /// Whether the client sends nothing more, and answers are still to come.
    fn await_only_answers(&self) -> bool {
        self.has_ended && !self.usage.in_flight.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_idle)
    }

    /// How long the client may take for the handshake, if it has not completed it.
    fn handshake(&self) -> Option<Duration> {
        self.connection.as_ref().and_then(Connection::handshake)
    }

    /// Serves nothing more, and tells the client why.
    fn end(&mut self, reason: Reason, sink: &mut impl AnswerSink) {
        if let Some(connection) = self.connection.take() {
            sink.push(&connection.farewell(reason));
        }
    }

    /// Serves what was read, as far as a turn lasts and there is room for answers.
    async fn serve(&mut self, source: &mut impl MessageSource, sink: &mut impl AnswerSink) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.has_unserved) else {
            return;
        };
        if !sink.has_room() {
            return;
        }
        let requester = connection.requester();
        let turns = self.server.turnstile().turns();
        self.usage.last_turn.store(turns, Ordering::Relaxed);
        let work = |turn: &mut Turn| {
            while sink.has_room() && !turn.is_over() {
                let Some(message) = source.next(turn) else { return turn.is_over() };
                if let Some(answer) = connection.receive(message) {
                    sink.push(&answer);
                }
            }
            true
        };
        self.has_unserved = self.server.turnstile().take(requester, work).await;
        // While the server stops, it does not wait for a client that has only refused requests,
        // because that client might go on sending forever.
        let is_stopping = self.server.stopping().is_cancelled();
        let is_over = self.has_ended || (is_stopping && connection.is_idle());
        if is_over && !self.has_unserved {
            self.connection = None;
        }
    }
}
