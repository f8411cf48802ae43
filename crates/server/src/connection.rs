use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use device_key::Peer;
use device_key_protocol::{
    Answer, Message, Rejected, Request, RpcError, Version,
    initialize::{self, InitializeParams},
};
use device_key_types::Reason;
use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::{Instrument as _, Span, error};

use crate::{
    AppServer,
    catch_panic::catch_panic,
    line_splitter::{Line, LineSplitter},
    methods::{Outcome, Work},
    request_span::request_span,
};

/// Answers that wait for a client to read them. When it does not, we stop reading it.
const OUTGOING: usize = 64;

/// One client: takes bytes, runs each request in a task of its own, and sends each answer once.
pub struct Connection {
    server: AppServer,
    peer: Peer,
    lines: LineSplitter,
    usual_version: Version,
    is_initialized: bool,
    in_flight: TaskTracker,
    in_flight_bytes: Arc<AtomicUsize>,
    outgoing: mpsc::Sender<Answer>,
    /// Counted by the server until the connection is over.
    _open: TaskTrackerToken,
}

/// The answers of one connection, in the order in which they became ready.
pub struct Answers(mpsc::Receiver<Answer>);

/// Nobody takes the answers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed")]
pub struct ConnectionClosed;

impl Answers {
    /// The next answer, or `None` when the connection has finished and every answer was taken.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }

    /// Waits for at least one answer and takes all that are ready; 0 means finished.
    pub(crate) async fn next_many(&mut self, answers: &mut Vec<Answer>) -> usize {
        self.0.recv_many(answers, OUTGOING).await
    }
}

impl Connection {
    pub(crate) fn open(server: AppServer, peer: Peer) -> (Self, Answers) {
        let (outgoing, answers) = mpsc::channel(OUTGOING);
        let open = server.opened();
        let connection = Self {
            server,
            peer,
            lines: LineSplitter::default(),
            usual_version: Version::default(),
            is_initialized: false,
            in_flight: TaskTracker::new(),
            in_flight_bytes: Arc::default(),
            outgoing,
            _open: open,
        };
        (connection, Answers(answers))
    }

    /// Takes the next bytes of the stream, wherever its lines begin and end. Waits while answers
    /// pile up unread.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), ConnectionClosed> {
        for line in self.lines.split(bytes) {
            self.receive(line).await?;
        }
        Ok(())
    }

    /// Takes one whole message, from a transport that keeps messages apart itself: a line feed in it
    /// is mere white space.
    pub(crate) async fn receive_message(&mut self, message: &[u8]) -> Result<(), ConnectionClosed> {
        self.serve_message(Message::parse(message), message.len()).await
    }

    /// The stream ended: serves a last line without a line feed, then waits until every request in
    /// flight is answered.
    pub async fn finish(mut self) -> Result<(), ConnectionClosed> {
        if let Some(line) = self.lines.finish() {
            self.receive(line).await?;
        }
        self.in_flight().wait().await;
        Ok(())
    }

    /// Done when the server is to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        self.server.stopping()
    }

    /// Waiting for it waits until no request is at work.
    pub(crate) fn in_flight(&self) -> TaskTracker {
        self.in_flight.close();
        self.in_flight.clone()
    }

    async fn receive(&mut self, line: Line) -> Result<(), ConnectionClosed> {
        match line {
            Line::Complete(line) => self.serve_message(Message::parse(&line), line.len()).await,
            Line::TooLong => self.serve_message(Err(Rejected::too_large()), 0).await,
        }
    }

    async fn serve_message(
        &mut self,
        message: Result<Message, Rejected>,
        bytes: usize,
    ) -> Result<(), ConnectionClosed> {
        match message {
            Ok(Message::Request(request)) => self.serve(request, bytes).await,
            Ok(Message::Notification) => Ok(()),
            Err(rejected) => self.send(rejected.answer(self.usual_version)).await,
        }
    }

    async fn send(&self, answer: Answer) -> Result<(), ConnectionClosed> {
        self.outgoing.send(answer).await.map_err(|_| ConnectionClosed)
    }

    /// Room for one more request among those at work.
    fn place(&self, bytes: usize) -> Option<Place> {
        let limits = self.server.limits();
        let at_work = self.in_flight.len();
        let held = self.in_flight_bytes.load(Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limits.request_bytes_per_connection;
        let has_room = at_work < limits.requests_per_connection && (fits || at_work == 0);
        has_room.then(|| Place::take(&self.in_flight_bytes, bytes))
    }

    async fn serve(&mut self, request: Request, bytes: usize) -> Result<(), ConnectionClosed> {
        let span = request_span(&request, self.server.methods(), self.peer);
        self.usual_version = request.version;
        let Request { id, method, params, version, .. } = request;
        let begun = span.in_scope(|| match &*method {
            _ if self.stopping().is_cancelled() => Begun::refused(Reason::ShuttingDown),
            initialize::METHOD => Begun::Done(self.initialize(&params)),
            _ if !self.is_initialized => Begun::refused(Reason::NotInitialized),
            _ => match self.place(bytes) {
                None => Begun::refused(Reason::Overloaded),
                Some(place) => match self.server.methods().call(&method, self.peer, params) {
                    Ok(work) => Begun::Working(work, place),
                    Err(error) => Begun::Done(Err(error)),
                },
            },
        });
        let answer = move |outcome: Outcome| match outcome {
            Ok(result) => Answer::success(&id, version, &result),
            Err(error) => Answer::failure(Some(&id), version, &error),
        };
        match begun {
            Begun::Done(outcome) => {
                record(&span, &outcome);
                drop(span);
                self.send(answer(outcome)).await
            }
            Begun::Working(work, place) => {
                let outgoing = self.outgoing.clone();
                self.in_flight.spawn(async move {
                    let outcome = outcome_of(work).instrument(span).await;
                    // An error means that the client has gone; nobody misses the answer.
                    let _ = outgoing.send(answer(outcome)).await;
                    drop(place);
                });
                Ok(())
            }
        }
    }

    fn initialize(&mut self, params: &device_key_protocol::Params) -> Outcome {
        if self.is_initialized {
            return Err(Reason::AlreadyInitialized.into());
        }
        params.read::<InitializeParams>()?;
        self.is_initialized = true;
        to_raw_value(&self.server.initialize_result(self.peer)).map_err(|_| Reason::Internal.into())
    }
}

enum Begun {
    Done(Outcome),
    Working(Work, Place),
}

impl Begun {
    fn refused(reason: Reason) -> Self {
        Self::Done(Err(reason.into()))
    }
}

/// The bytes of a request that is at work; given back when it is answered.
struct Place {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Place {
    fn take(held: &Arc<AtomicUsize>, bytes: usize) -> Self {
        held.fetch_add(bytes, Ordering::Relaxed);
        Self { held: Arc::clone(held), bytes }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Runs a handler; one that panics is answered too.
async fn outcome_of(work: Work) -> Outcome {
    let outcome = catch_panic(work).await.unwrap_or_else(|_panic| {
        error!("a handler panicked");
        Err(RpcError::from(Reason::Internal))
    });
    record(&Span::current(), &outcome);
    outcome
}

fn record(span: &Span, outcome: &Outcome) {
    if let Err(error) = outcome {
        span.record("reason", error.reason().as_str());
    }
}
