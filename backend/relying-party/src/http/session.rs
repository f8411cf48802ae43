//! The open connection of a device. It sends each text back; a real backend would do its own work
//! here. This file shows how a connection ends.

use std::time::Duration;

use device_key_websocket::{close, close_code, config};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use crate::limits::RelyingPartyLimits;
use crate::open_connections::CloseReason;
use crate::relying_party::connection::OpenConnection;

const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// The client has closed the connection, or is gone.
    ByPeer,
    /// The client violated the protocol.
    Refused,
    /// The client did not read.
    Stalled,
    /// The device may not stay connected.
    Device(CloseReason),
    /// The service is stopping.
    Stopped,
}

/// Serves a device until it leaves, breaks the rules, does not read, is revoked, or the service
/// stops.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut connection: OpenConnection,
    stop: &CancellationToken,
    limits: &RelyingPartyLimits,
) -> SessionEnd {
    let config = Some(config(MAX_MESSAGE_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
    // The order matters: a client that keeps the loop busy must not delay its own end.
    let (end, (code, reason)) = tokio::select! {
        biased;
        reason = connection.must_close() => (SessionEnd::Device(reason), code_of(reason)),
        () = stop.cancelled() => (SessionEnd::Stopped, (CloseCode::Away, "shutting_down")),
        (end, code) = echo(&mut socket, limits.stall_deadline) => match code {
            Some(code) => (end, (code, "")),
            None => return end,
        },
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // Dropping the socket ends the connection even if the client does not answer in time.
    let _ = timeout(limits.close_deadline, close(&mut socket, Some(frame))).await;
    end
}

const fn code_of(reason: CloseReason) -> (CloseCode, &'static str) {
    match reason {
        CloseReason::Revoked => (CloseCode::Policy, "device_revoked"),
        CloseReason::Unchecked => (CloseCode::Again, "registry_unavailable"),
    }
}

/// Sends each text back until the client leaves or breaks a rule. Returns the close code to send,
/// if the client can still be told why the connection ends.
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
            // The library answers a ping during the next read or write.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_))) | None => {
                // The library has queued the answer to the close frame. A client need not read it.
                let _ = timeout(stall_deadline, socket.flush()).await;
                return (SessionEnd::ByPeer, None);
            }
            Some(Err(error)) => {
                let code = close_code(&error);
                let end = code.map_or(SessionEnd::ByPeer, |_| SessionEnd::Refused);
                return (end, code);
            }
        };
        match timeout(stall_deadline, socket.send(Message::Text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(Error::WriteBufferFull(_))) | Err(_) => return (SessionEnd::Stalled, None),
            Ok(Err(_)) => return (SessionEnd::ByPeer, None),
        }
    }
}
