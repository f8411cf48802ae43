//! One WebSocket: each text frame is a message, each answer a text frame.

use std::{io, pin::pin, time::Duration};

use device_key::Peer;
use device_key_protocol::{Answer, MAX_MESSAGE_BYTES};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tracing::debug;

use crate::{Answers, AppServer, Connection};

const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Answers and pongs beyond this are written at once.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What is kept for a client that does not read. An answer must fit, also one of a host's method that
/// gives back what it was sent.
const MAX_WRITE_BUFFER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
const DISCARD_BYTES: usize = 16 * 1024;

type Socket = WebSocketStream<TcpStream>;

/// Serves a client until it leaves, breaks the rules, does not read, or we stop.
pub(crate) async fn serve(
    stream: TcpStream,
    read_already: Vec<u8>,
    server: &AppServer,
    stall_deadline: Duration,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let socket =
        Socket::from_partially_read(stream, read_already, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let ending = exchange(&mut sink, &mut stream, server, stall_deadline).await;
    debug!(?ending, "a WebSocket ends");
    // Both are halves of one socket, so they fit.
    if let Ok(socket) = stream.reunite(sink) {
        close(socket, ending, stall_deadline).await;
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The client has closed it, or is gone.
    ByPeer,
    /// The client broke a rule.
    Refused(CloseCode),
    /// The client did not read.
    Stalled,
    /// We stop, and everything is answered.
    Stopped,
}

async fn exchange(
    sink: &mut SplitSink<Socket, Message>,
    stream: &mut SplitStream<Socket>,
    server: &AppServer,
    stall_deadline: Duration,
) -> Ending {
    let (connection, answers) = server.connect(Peer::Remote);
    let must_flush = Notify::new();
    let mut writing = pin!(write(answers, sink, &must_flush, stall_deadline));
    tokio::select! {
        ending = &mut writing => ending,
        ending = read(connection, stream, &must_flush) => match ending {
            Ending::Stopped => writing.await,
            other => other,
        },
    }
}

async fn read(
    mut connection: Connection,
    stream: &mut SplitStream<Socket>,
    must_flush: &Notify,
) -> Ending {
    let stop = connection.stopping().clone();
    loop {
        let next = tokio::select! {
            next = stream.next() => next,
            () = stop.cancelled() => {
                // Fails if nobody writes answers any more; then that ended the connection.
                let _ = connection.finish().await;
                return Ending::Stopped;
            }
        };
        match next {
            Some(Ok(Message::Text(text))) => {
                if connection.receive_message(text.as_bytes()).await.is_err() {
                    return Ending::ByPeer;
                }
            }
            Some(Ok(Message::Binary(_))) => return Ending::Refused(CloseCode::Unsupported),
            // Its pong is queued by the library.
            Some(Ok(Message::Ping(_))) => must_flush.notify_one(),
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Ending::ByPeer,
            Some(Err(error)) => return fault(&error),
        }
    }
}

/// What the client is told of a fault (RFC 6455 section 7.4.1).
fn fault(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::Refused(CloseCode::Size),
        Error::Utf8(_) => Ending::Refused(CloseCode::Invalid),
        Error::Protocol(_) => Ending::Refused(CloseCode::Protocol),
        _ => Ending::ByPeer,
    }
}

/// Ends as stopped when every answer is written; the connection keeps the answers open.
async fn write(
    mut answers: Answers,
    sink: &mut SplitSink<Socket, Message>,
    must_flush: &Notify,
    stall_deadline: Duration,
) -> Ending {
    let mut ready = Vec::new();
    loop {
        tokio::select! {
            count = answers.next_many(&mut ready) => if count == 0 { return Ending::Stopped },
            () = must_flush.notified() => {}
        }
        let sending = async {
            for answer in ready.drain(..) {
                sink.feed(frame(&answer)).await?;
            }
            sink.flush().await
        };
        match timeout(stall_deadline, sending).await {
            Ok(Ok(())) => {}
            // Pongs have filled the buffer.
            Err(_) | Ok(Err(Error::WriteBufferFull(_))) => return Ending::Stalled,
            Ok(Err(_)) => return Ending::ByPeer,
        }
    }
}

/// An answer without its line feed.
fn frame(answer: &Answer) -> Message {
    let line = answer.as_bytes().strip_suffix(b"\n").unwrap_or(answer.as_bytes());
    // JSON is UTF-8; were it ever not, an empty frame would say so rather than a broken one.
    Message::Text(Utf8Bytes::try_from(Bytes::copy_from_slice(line)).unwrap_or_default())
}

/// Says goodbye and waits for the client to go. One that stalled is dropped without further words,
/// and with what the kernel still holds for it.
async fn close(mut socket: Socket, ending: Ending, deadline: Duration) {
    let code = match ending {
        Ending::ByPeer => None,
        Ending::Refused(code) => Some(code),
        Ending::Stopped => Some(CloseCode::Away),
        Ending::Stalled => {
            // Fails on a socket that is gone already.
            let _ = socket.get_ref().set_zero_linger();
            return;
        }
    };
    let goodbye = async {
        match code {
            Some(code) => {
                let reason = Utf8Bytes::from_static("");
                socket.close(Some(CloseFrame { code, reason })).await
            }
            // The library has queued its answer to the client's close frame.
            None => socket.flush().await,
        }
        .map_err(io::Error::other)?;
        leave(socket.get_mut()).await
    };
    if !matches!(timeout(deadline, goodbye).await, Ok(Ok(()))) {
        let _ = socket.get_ref().set_zero_linger();
    }
}

/// Ends our direction and reads the other to its end: closing with unread bytes would reset the
/// connection, and the client might never see why it was closed.
async fn leave(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = vec![0; DISCARD_BYTES];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
