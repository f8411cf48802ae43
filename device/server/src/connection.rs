//! One client's connection: takes messages, runs each request, and gives each answer once.

pub(crate) mod departure;
mod request_span;
mod running_handler;

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use device_key::{Peer, Requester};
use device_key_protocol::initialize::{self, InitializeParams};
use device_key_protocol::{Answer, Message, Params, Rejected, Request, RpcError, Version};
use device_key_types::Reason;
use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tracing::{Span, debug_span};

use self::departure::Departure;
use self::request_span::request_span;
use self::running_handler::{RunningHandler, record};
use crate::app_server::AppServer;
use crate::app_server::connection_slots::Usage;
use crate::app_server::in_flight::InFlightRequest;
use crate::app_server::open_connections::OpenConnection;
use crate::methods::table::{HandlerFuture, Outcome};

/// How many finished answers the queue holds until the transport takes them. If the queue is full,
/// a task that has another answer waits.
const QUEUED_ANSWERS: usize = 64;

/// The state of one client: whether it has completed the handshake, and its requests in flight.
pub(crate) struct Connection {
    server: AppServer,
    peer: Peer,
    requester: Requester,
    /// The version that the client last stated, for answers to messages that are not requests.
    usual_version: Version,
    is_initialized: bool,
    usage: Arc<Usage>,
    /// How long the client may take for the handshake. `None` if there is no limit.
    handshake: Option<Duration>,
    answers: mpsc::Sender<QueuedAnswer>,
    /// The span is never entered. Telemetry counts open connections by it.
    _span: Span,
}

/// The answers of the requests that had to wait, in the order in which they became ready.
pub(crate) struct Answers {
    queue: mpsc::Receiver<QueuedAnswer>,
    /// The server counts the connection as open while this value lives, which is until the last
    /// answer is delivered.
    _open: OpenConnection,
}

/// What a transport received, before it is parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RawMessage<'a> {
    /// One whole message. It is borrowed if the transport had it in one piece.
    Complete(Cow<'a, [u8]>),
    /// The message was longer than the limit; its bytes were thrown away.
    TooLong,
}

/// An answer that nobody has taken yet counts as a request in flight.
struct QueuedAnswer {
    answer: Answer,
    _in_flight: InFlightRequest,
}

impl Answers {
    /// The next answer, or `None` when the connection is dropped and every answer was taken.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        self.queue.recv().await.map(|queued| queued.answer)
    }

    /// The next answer, if it is there already.
    pub(crate) fn next_now(&mut self) -> Option<Answer> {
        self.queue.try_recv().ok().map(|queued| queued.answer)
    }
}

impl Connection {
    /// Opens a connection for a peer that a transport has identified. Must be called within a Tokio
    /// runtime.
    pub(crate) fn open(server: &AppServer, peer: Peer) -> (Self, Answers) {
        Self::with(server, peer, Arc::default(), None)
    }

    /// Opens a connection whose client must complete the handshake in time, and may have to make
    /// room for another client.
    pub(crate) fn open_limited(
        server: &AppServer,
        peer: Peer,
        usage: Arc<Usage>,
    ) -> (Self, Answers) {
        Self::with(server, peer, usage, Some(server.limits().handshake))
    }

    fn with(
        server: &AppServer,
        peer: Peer,
        usage: Arc<Usage>,
        handshake: Option<Duration>,
    ) -> (Self, Answers) {
        let (sender, queue) = mpsc::channel(QUEUED_ANSWERS);
        let (peer, requester) = server.numbered(peer);
        let connection = Self {
            peer,
            requester,
            usual_version: Version::default(),
            is_initialized: false,
            usage,
            handshake,
            answers: sender,
            _span: debug_span!(parent: None, "connection", transport = peer.transport()),
            server: server.clone(),
        };
        (connection, Answers { queue, _open: server.opened_connection() })
    }

    /// Takes one message. Returns the answer if there is one at once; other answers come through
    /// [`Answers`].
    pub(crate) fn receive(&mut self, message: RawMessage<'_>) -> Option<Answer> {
        let (parsed, bytes) = match message {
            RawMessage::Complete(message) => (Message::parse(&message), message.len()),
            RawMessage::TooLong => (Err(Rejected::too_large()), 0),
        };
        match parsed {
            Ok(Message::Request(request)) => self.serve(request, bytes),
            Ok(Message::Notification) => None,
            Err(rejected) => Some(rejected.answer(self.usual_version)),
        }
    }

    /// The requester in whose name this connection takes turns.
    pub(crate) const fn requester(&self) -> Requester {
        self.requester
    }

    pub(crate) const fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// How long the client may take for the handshake, if it has not completed it.
    pub(crate) fn handshake(&self) -> Option<Duration> {
        self.handshake.filter(|_| !self.is_initialized)
    }

    /// What the client is told when the service closes the connection.
    pub(crate) fn farewell(&self, reason: Reason) -> Answer {
        Answer::failure(None, self.usual_version, &RpcError::from(reason))
    }

    pub(crate) const fn server(&self) -> &AppServer {
        &self.server
    }

    /// Whether every request is answered, and every answer taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.usage.in_flight.is_empty()
    }

    /// Runs a request. A request that has to wait goes on in a task of its own.
    fn serve(&mut self, request: Request, bytes: usize) -> Option<Answer> {
        let span = request_span(&request, self.server.methods(), self.peer);
        self.usual_version = request.version;
        let Request { id, method, params, version, .. } = request;
        let answer = move |outcome: Outcome| match outcome {
            Ok(result) => Answer::success(&id, version, &result),
            Err(error) => Answer::failure(Some(&id), version, &error),
        };
        let running = match span.in_scope(|| self.call(&method, params, bytes)) {
            Ok(future) => RunningHandler::new(future, span),
            Err(error) => {
                let refused = Err(error);
                record(&span, &refused);
                return Some(answer(refused));
            }
        };
        match running.poll_once() {
            Ok(outcome) => Some(answer(outcome)),
            Err(running) => {
                let answers = self.answers.clone();
                let in_flight = self.usage.in_flight.begin(bytes);
                tokio::spawn(async move {
                    let answer = answer(running.await);
                    // The send fails if the client has gone, and then nobody needs the answer.
                    let _ = answers.send(QueuedAnswer { answer, _in_flight: in_flight }).await;
                });
                None
            }
        }
    }

    /// Calls the request's method, if the request may run now.
    fn call(
        &mut self,
        method: &str,
        params: Params,
        bytes: usize,
    ) -> Result<HandlerFuture, RpcError> {
        if self.server.stopping().is_cancelled() {
            return Err(Reason::ShuttingDown.into());
        }
        if method == initialize::METHOD {
            return Ok(Box::pin(ready(self.initialize(&params))));
        }
        if !self.is_initialized {
            return Err(Reason::NotInitialized.into());
        }
        if !self.usage.in_flight.has_room(bytes, &self.server.limits()) {
            return Err(Reason::Overloaded.into());
        }
        let departure = Departure::new(self.answers.clone());
        self.server.methods().call(method, self.peer, params, departure, self.server.audit())
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
