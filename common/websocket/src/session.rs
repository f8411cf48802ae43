//! What the sessions of both servers share: buffer sizes, close codes and the end of a connection.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Frames are buffered up to this size before they are written to the stream.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
const DISCARD_BYTES: usize = 16 * 1024;

/// The settings of a server's WebSocket whose messages have at most `max_message_bytes`
/// bytes, in both directions. For a client that does not read, at most twice that number is
/// buffered, and then writing fails with [`Error::WriteBufferFull`].
pub fn config(max_message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(2 * max_message_bytes)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
}

/// The close code that tells a client which rule it broke (RFC 6455 section 7.4.1). `None` if the
/// error is not the client's fault, or the client is gone.
pub const fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Sends a close frame, then waits until the client ends the connection. Without a frame this sends
/// what the library has queued, which is the answer to the client's own close frame. The caller
/// sets the deadline.
///
/// What the client still sends is read and discarded: closing a socket with unread bytes would
/// reset the connection, and the client might never see the close frame.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    frame: Option<CloseFrame>,
) -> Result<(), Error> {
    // Closing without a frame would send an empty one, so the two cases differ.
    if frame.is_some() {
        socket.close(frame).await?;
    } else {
        futures_util::SinkExt::flush(socket).await?;
    }
    let stream = socket.get_mut();
    stream.shutdown().await?;
    let mut discarded = vec![0; DISCARD_BYTES];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
