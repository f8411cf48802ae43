use device_key::Peer;
use device_key_protocol::{
    Answer, Message, Params, Rejected, Request, Version,
    initialize::{self, InitializeParams},
};
use device_key_types::Reason;
use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::{Span, debug_span};

use crate::{
    AppServer,
    at_work::{AtWork, record},
    in_flight::{InFlight, Place},
    line_splitter::{Line, LineSplitter},
    methods::{Outcome, Work},
    request_span::request_span,
};

/// Answers that wait for a client to read them. When it does not, we stop reading it.
const OUTGOING: usize = 64;

/// One client: takes bytes, runs each request that has to wait in a task of its own, and sends each
/// answer once.
pub struct Connection {
    server: AppServer,
    peer: Peer,
    lines: LineSplitter,
    usual_version: Version,
    is_initialized: bool,
    in_flight: InFlight,
    tasks: TaskTracker,
    outgoing: mpsc::Sender<Queued>,
    /// Counted by the server until the connection is over.
    _open: TaskTrackerToken,
    /// Never entered: whoever watches counts how many are open.
    _span: Span,
}

/// The answers of one connection, in the order in which they became ready.
pub struct Answers {
    queue: mpsc::Receiver<Queued>,
    /// Counted by the server until the last one is delivered.
    _open: TaskTrackerToken,
}

/// An answer that nobody has taken yet counts as a request in flight.
struct Queued {
    answer: Answer,
    _place: Option<Place>,
}

/// Nobody takes the answers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed")]
pub struct ConnectionClosed;

impl Answers {
    /// The next answer, or `None` when the connection has finished and every answer was taken.
    pub async fn next(&mut self) -> Option<Answer> {
        self.queue.recv().await.map(|Queued { answer, .. }| answer)
    }

    /// As [`next`](Self::next), if one is there already.
    pub(crate) fn next_now(&mut self) -> Option<Answer> {
        self.queue.try_recv().ok().map(|Queued { answer, .. }| answer)
    }

    /// Waits for at least one answer and takes those that are ready; 0 means finished.
    pub(crate) async fn next_many(&mut self, answers: &mut Vec<Answer>) -> usize {
        let Some(first) = self.next().await else { return 0 };
        answers.push(first);
        answers.extend(std::iter::from_fn(|| self.next_now()).take(OUTGOING));
        answers.len()
    }
}

impl Connection {
    pub(crate) fn open(server: AppServer, peer: Peer) -> (Self, Answers) {
        let (outgoing, answers) = mpsc::channel(OUTGOING);
        let answers = Answers { queue: answers, _open: server.opened() };
        let open = server.opened();
        let connection = Self {
            server,
            peer,
            lines: LineSplitter::default(),
            usual_version: Version::default(),
            is_initialized: false,
            in_flight: InFlight::default(),
            tasks: TaskTracker::new(),
            outgoing,
            _open: open,
            _span: debug_span!(parent: None, "connection", transport = peer.transport()),
        };
        (connection, answers)
    }

    /// Takes the next bytes of the stream, wherever its lines begin and end. Waits while answers
    /// pile up unread.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), ConnectionClosed> {
        let mut rest = bytes;
        while let Some(answer) = self.next_answer(&mut rest) {
            self.send(answer).await?;
        }
        Ok(())
    }

    /// Takes one whole message, from a transport that keeps messages apart itself: a line feed in it
    /// is mere white space.
    pub(crate) async fn receive_message(&mut self, message: &[u8]) -> Result<(), ConnectionClosed> {
        match self.serve_message(Message::parse(message), message.len()) {
            Some(answer) => self.send(answer).await,
            None => Ok(()),
        }
    }

    /// The stream ended: serves a last line without a line feed, then waits until every request in
    /// flight is answered.
    pub async fn finish(mut self) -> Result<(), ConnectionClosed> {
        if let Some(answer) = self.last_answer() {
            self.send(answer).await?;
        }
        self.tasks.close();
        self.tasks.wait().await;
        Ok(())
    }

    /// Serves lines off the bytes until one is answered at once; `None` when all bytes are taken.
    /// Other answers come through [`Answers`].
    pub(crate) fn next_answer(&mut self, bytes: &mut &[u8]) -> Option<Answer> {
        while let Some(line) = self.lines.next(bytes) {
            let answer = self.receive(line);
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Serves the line that is pending when the stream ends.
    pub(crate) fn last_answer(&mut self) -> Option<Answer> {
        self.lines.finish().and_then(|line| self.receive(line))
    }

    /// Done when the server is to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        self.server.stopping()
    }

    /// Whether every request is answered, and every answer taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    fn receive(&mut self, line: Line<'_>) -> Option<Answer> {
        match line {
            Line::Complete(line) => self.serve_message(Message::parse(&line), line.len()),
            Line::TooLong => self.serve_message(Err(Rejected::too_large()), 0),
        }
    }

    fn serve_message(
        &mut self,
        message: Result<Message, Rejected>,
        bytes: usize,
    ) -> Option<Answer> {
        match message {
            Ok(Message::Request(request)) => self.serve(request, bytes),
            Ok(Message::Notification) => None,
            Err(rejected) => Some(rejected.answer(self.usual_version)),
        }
    }

    async fn send(&self, answer: Answer) -> Result<(), ConnectionClosed> {
        let queued = Queued { answer, _place: None };
        self.outgoing.send(queued).await.map_err(|_| ConnectionClosed)
    }

    /// Answers what can be answered at once; the rest goes on in a task of its own.
    fn serve(&mut self, request: Request, bytes: usize) -> Option<Answer> {
        let span = request_span(&request, self.server.methods(), self.peer);
        self.usual_version = request.version;
        let Request { id, method, params, version, .. } = request;
        let answer = move |outcome: Outcome| match outcome {
            Ok(result) => Answer::success(&id, version, &result),
            Err(error) => Answer::failure(Some(&id), version, &error),
        };
        let begun = span.in_scope(|| self.begin(&method, params, bytes));
        let work = match begun {
            Begun::Done(outcome) => {
                record(&span, &outcome);
                drop(span);
                return Some(answer(outcome));
            }
            Begun::Working(work) => work,
        };
        match AtWork::new(work, span).begin() {
            Ok(outcome) => Some(answer(outcome)),
            Err(at_work) => {
                let outgoing = self.outgoing.clone();
                let place = self.in_flight.take(bytes);
                self.tasks.spawn(async move {
                    let queued = Queued { answer: answer(at_work.await), _place: Some(place) };
                    // An error means that the client has gone; nobody misses the answer.
                    let _ = outgoing.send(queued).await;
                });
                None
            }
        }
    }

    fn begin(&mut self, method: &str, params: Params, bytes: usize) -> Begun {
        match method {
            _ if self.stopping().is_cancelled() => Begun::refused(Reason::ShuttingDown),
            initialize::METHOD => Begun::Done(self.initialize(&params)),
            _ if !self.is_initialized => Begun::refused(Reason::NotInitialized),
            _ if !self.in_flight.has_room(bytes, self.server.limits()) => {
                Begun::refused(Reason::Overloaded)
            }
            _ => match self.server.methods().call(method, self.peer, params) {
                Ok(work) => Begun::Working(work),
                Err(error) => Begun::Done(Err(error)),
            },
        }
    }

    fn initialize(&mut self, params: &Params) -> Outcome {
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
    Working(Work),
}

impl Begun {
    fn refused(reason: Reason) -> Self {
        Self::Done(Err(reason.into()))
    }
}
