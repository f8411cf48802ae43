//! Why an HTTP request is not granted, and how that is said.

use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE},
};

use super::upgrade::{PROTOCOL, VERSION};

/// In the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A page asks whose origin is not allowed.
    Origin,
    /// There is nothing under this path.
    Path,
    /// The path is only there for `GET`.
    Method,
    /// The token is missing or wrong.
    Token,
    /// The path is only there for WebSocket clients of the one version.
    Upgrade,
    /// The client's part of the WebSocket handshake is broken.
    Handshake,
    /// There is no room, or we stop.
    Busy,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Upgrade => StatusCode::UPGRADE_REQUIRED,
            Self::Handshake => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Refuses, and says what the client would have to do instead.
    pub(crate) fn response(self) -> Response<String> {
        let mut response = plain(self.status());
        let headers = response.headers_mut();
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            Self::Token => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Upgrade => {
                headers.insert(UPGRADE, PROTOCOL);
                // Who sends the one names it in the other (RFC 9110 section 7.8).
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade, close"));
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
            }
            Self::Origin | Self::Path | Self::Handshake | Self::Busy => {}
        }
        response
    }
}

/// The status, and its words as the text. The connection is closed after it.
pub(crate) fn plain(status: StatusCode) -> Response<String> {
    let mut response =
        Response::new(format!("{}\n", status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
