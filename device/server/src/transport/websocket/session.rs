//! One WebSocket: each text frame is a message, and each answer is a text frame.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use device_key::Peer;
use device_key_protocol::{Answer, MAX_MESSAGE_BYTES};
use device_key_websocket::{close_code, config};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tracing::debug;

use crate::app_server::AppServer;
use crate::app_server::turnstile::Turn;
use crate::connection::{Connection, RawMessage};
use crate::transport::carry::{AnswerSink, FULL_BYTES, MessageSource, carry};
use crate::transport::stall::StallTimer;

type Socket = WebSocketStream<TcpStream>;

/// Serves a client until it leaves, breaks the rules, does not read, or the server stops.
pub(super) async fn serve(
    stream: TcpStream,
    read_already: Vec<u8>,
    server: &AppServer,
    stall_deadline: Duration,
) {
    let config = Some(config(MAX_MESSAGE_BYTES));
    let socket = Socket::from_partially_read(stream, read_already, Role::Server, config).await;
    let (sink, stream) = socket.split();
    let is_pong_due = AtomicBool::new(false);
    let mut frames = IncomingFrames {
        stream,
        text: Utf8Bytes::default(),
        is_unserved: false,
        is_pong_due: &is_pong_due,
    };
    let mut outbox = FrameOutbox {
        sink,
        frames: VecDeque::new(),
        bytes: 0,
        must_flush: false,
        is_pong_due: &is_pong_due,
        stall: StallTimer::new(Some(stall_deadline)),
    };
    let (connection, answers) = Connection::open_limited(server, Peer::Remote, Arc::default());
    let carried = carry(connection, answers, &mut frames, &mut outbox).await;
    let ending = carried.err().unwrap_or(Ending::Stopped);
    debug!(?ending, "a WebSocket ends");
    // Never fails, because both are halves of one socket.
    if let Ok(socket) = frames.stream.reunite(outbox.sink) {
        close(socket, ending, stall_deadline).await;
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The client has closed the connection, or is gone.
    ByPeer,
    /// The client broke a rule.
    Refused(CloseCode),
    /// The client did not read.
    Stalled,
    /// The server stops, and everything is answered.
    Stopped,
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        match (close_code(&error), error) {
            (Some(code), _) => Self::Refused(code),
            // Answers wait in the outbox, so only pongs that are not read can fill this buffer.
            (None, Error::WriteBufferFull(_)) => Self::Stalled,
            (None, _) => Self::ByPeer,
        }
    }
}

impl From<Elapsed> for Ending {
    fn from(_: Elapsed) -> Self {
        Self::Stalled
    }
}

/// The client's frames, of which one text at a time is kept.
struct IncomingFrames<'a> {
    stream: SplitStream<Socket>,
    text: Utf8Bytes,
    is_unserved: bool,
    is_pong_due: &'a AtomicBool,
}

impl MessageSource for IncomingFrames<'_> {
    type Error = Ending;

    fn next(&mut self, turn: &mut Turn) -> Option<RawMessage<'_>> {
        let is_unserved = std::mem::take(&mut self.is_unserved);
        turn.spend(if is_unserved { self.text.len() } else { 0 });
        is_unserved.then(|| RawMessage::Complete(Cow::Borrowed(self.text.as_bytes())))
    }

    async fn read(&mut self) -> Result<bool, Ending> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                self.text = text;
                self.is_unserved = true;
            }
            Some(Ok(Message::Binary(_))) => return Err(Ending::Refused(CloseCode::Unsupported)),
            // The library has queued the pong.
            Some(Ok(Message::Ping(_))) => self.is_pong_due.store(true, Ordering::Relaxed),
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(Ending::ByPeer),
            Some(Err(error)) => return Err(error.into()),
        }
        Ok(true)
    }
}

/// Answers as frames, and the socket that they are written to.
struct FrameOutbox<'a> {
    sink: SplitSink<Socket, Message>,
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    must_flush: bool,
    is_pong_due: &'a AtomicBool,
    stall: StallTimer,
}

impl AnswerSink for FrameOutbox<'_> {
    type Error = Ending;

    fn push(&mut self, answer: &Answer) {
        // A frame does not need a line feed.
        let line = answer.as_bytes().strip_suffix(b"\n").unwrap_or(answer.as_bytes());
        // JSON is UTF-8. If an answer ever were not, the client would get an empty frame instead of
        // a broken one.
        let frame = Utf8Bytes::try_from(Bytes::copy_from_slice(line)).unwrap_or_default();
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.must_flush = true;
    }

    fn has_room(&self) -> bool {
        self.bytes < FULL_BYTES
    }

    fn is_empty(&self) -> bool {
        !self.must_flush && !self.is_pong_due.load(Ordering::Relaxed)
    }

    async fn write_some(&mut self) -> Result<(), Ending> {
        while !self.frames.is_empty() {
            let ready = poll_fn(|context| self.sink.poll_ready_unpin(context));
            self.stall.watch(ready).await??;
            if let Some(frame) = self.frames.pop_front() {
                self.bytes -= frame.len();
                self.sink.start_send_unpin(Message::Text(frame))?;
            }
        }
        self.stall.watch(self.sink.flush()).await??;
        self.must_flush = false;
        self.is_pong_due.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Reading tells when the client has left.
    async fn hung_up(&mut self) -> Result<(), Ending> {
        pending().await
    }
}

/// Sends a close frame and waits for the client to go. A client that stalled is dropped without a
/// close frame, together with the bytes that the kernel still holds for it.
async fn close(mut socket: Socket, ending: Ending, deadline: Duration) {
    let code = match ending {
        Ending::Stalled => return drop_unread(&socket),
        Ending::ByPeer => None,
        Ending::Refused(code) => Some(code),
        Ending::Stopped => Some(CloseCode::Away),
    };
    let frame = code.map(|code| CloseFrame { code, reason: Utf8Bytes::default() });
    let closing = device_key_websocket::close(&mut socket, frame);
    if !matches!(timeout(deadline, closing).await, Ok(Ok(()))) {
        drop_unread(&socket);
    }
}

fn drop_unread(socket: &Socket) {
    // Fails on a socket that is gone already.
    let _ = socket.get_ref().set_zero_linger();
}
