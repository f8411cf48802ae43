//! Serves an open connection: sends each text back, and closes the connection in order. A real
//! backend replaces the echo.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    limits::RelyingPartyLimits, open_connections::CloseReason,
    relying_party::connection::OpenConnection,
};

const MAX_MESSAGE_BYTES: usize = 64 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// The client has closed the connection, or has vanished.
    ByPeer,
    /// The client violated the protocol.
    Refused,
    /// The client did not read.
    Stalled,
    /// The connection had to be closed because of its device.
    Device(CloseReason),
    /// The service is stopping.
    Stopped,
}

/// Serves a device until the connection ends for one of the reasons of [`SessionEnd`].
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut connection: OpenConnection,
    stop: &CancellationToken,
    limits: &RelyingPartyLimits,
) -> SessionEnd {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    // The reasons to close come first, so that a busy client cannot delay them.
    let (end, code) = tokio::select! {
        biased;
        reason = connection.must_close() => (SessionEnd::Device(reason), code_of(reason)),
        () = stop.cancelled() => (SessionEnd::Stopped, (CloseCode::Away, "shutting_down")),
        (end, code) = echo(&mut socket, limits.stall_deadline) => match code {
            Some(code) => (end, (code, "")),
            None => return end,
        },
    };
    let goodbye = close(&mut socket, code);
    // If the client does not read the close frame in time, dropping the socket ends the connection.
    let _ = timeout(limits.close_deadline, goodbye).await;
    end
}

const fn code_of(reason: CloseReason) -> (CloseCode, &'static str) {
    match reason {
        CloseReason::Revoked => (CloseCode::Policy, "device_revoked"),
        CloseReason::Unchecked => (CloseCode::Again, "registry_unavailable"),
    }
}

/// Sends each text back. Returns how the connection ended, and the close code if the client must
/// still be told.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    stall_deadline: Duration,
) -> (SessionEnd, Option<CloseCode>) {
    loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                return (SessionEnd::Refused, Some(CloseCode::Unsupported));
            }
            // The library answers a ping during the next write or read.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_))) | None => {
                // The answer to a close frame is queued. The client need not read it.
                let _ = timeout(stall_deadline, socket.flush()).await;
                return (SessionEnd::ByPeer, None);
            }
            Some(Err(error)) => return fault(&error),
        };
        match timeout(stall_deadline, socket.send(Message::Text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(Error::WriteBufferFull(_))) | Err(_) => return (SessionEnd::Stalled, None),
            Ok(Err(_)) => return (SessionEnd::ByPeer, None),
        }
    }
}

/// Returns how the connection ended and which close code the client gets (RFC 6455, section 7.4.1).
fn fault(error: &Error) -> (SessionEnd, Option<CloseCode>) {
    match error {
        Error::Capacity(_) => (SessionEnd::Refused, Some(CloseCode::Size)),
        Error::Utf8(_) => (SessionEnd::Refused, Some(CloseCode::Invalid)),
        Error::Protocol(_) => (SessionEnd::Refused, Some(CloseCode::Protocol)),
        _ => (SessionEnd::ByPeer, None),
    }
}

/// Sends the close frame and reads until the client closes. Closing a socket with unread bytes
/// resets the connection, and the client might never see the reason.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    (code, reason): (CloseCode, &'static str),
) -> Result<(), Error> {
    socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })).await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}
