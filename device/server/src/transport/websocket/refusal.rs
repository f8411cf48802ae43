//! Why an HTTP request is refused, and the answer to that request.

use device_key_websocket::{HandshakeError, upgrade_required_headers};
use hyper::header::{ALLOW, CONNECTION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// The reasons, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestRefusal {
    /// The request comes from a web page whose origin is not allowed.
    Origin,
    /// There is no resource under this path.
    Path,
    /// The method is not `GET`.
    Method,
    /// The token is missing or wrong.
    Token,
    /// The request does not open a WebSocket.
    Handshake(HandshakeError),
    /// All slots are taken, or the server is stopping.
    Busy,
}

impl From<HandshakeError> for RequestRefusal {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl RequestRefusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Handshake(HandshakeError::UpgradeRequired) => StatusCode::UPGRADE_REQUIRED,
            Self::Handshake(HandshakeError::Malformed) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer. Its headers tell the client what to change.
    pub(super) fn response(self) -> Response<String> {
        let mut response = plain(self.status());
        let headers = response.headers_mut();
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            Self::Token => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Handshake(HandshakeError::UpgradeRequired) => {
                headers.extend(upgrade_required_headers());
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade, close"));
            }
            Self::Origin | Self::Path | Self::Handshake(_) | Self::Busy => {}
        }
        response
    }
}

/// An answer with a status whose text is the status's name. The connection is closed after it.
pub(super) fn plain(status: StatusCode) -> Response<String> {
    let mut response =
        Response::new(format!("{}\n", status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
