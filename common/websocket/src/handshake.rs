//! The server's part of a WebSocket's opening handshake (RFC 6455 section 4.2).

use base64ct::{Base64, Encoding as _};
use hyper::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Request, Response, StatusCode, Version};
use sha1::{Digest as _, Sha1};

use crate::header::single;

/// The only version that RFC 6455 defines.
const VERSION: HeaderValue = HeaderValue::from_static("13");
const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");
/// The constant that a server appends to the client's key before hashing (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const NONCE_BYTES: usize = 16;

/// A valid opening request, and the value that proves to the client that this server speaks
/// WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct Handshake {
    accept: HeaderValue,
}

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The request does not ask for a WebSocket of version 13. The answer is 426 with
    /// [`upgrade_required_headers`].
    #[error("the request does not ask for a WebSocket of version 13")]
    UpgradeRequired,
    /// The request asks for a WebSocket, but its `Host` or `Sec-WebSocket-Key` is missing, repeated
    /// or malformed. The answer is 400.
    #[error("the request's part of the WebSocket handshake is malformed")]
    Malformed,
}

impl Handshake {
    /// Checks the client's part of the handshake (RFC 6455 section 4.2.1), except for the method,
    /// the path and the origin. Extensions and subprotocols are ignored, which declines them.
    pub fn read<B>(request: &Request<B>) -> Result<Self, HandshakeError> {
        let headers = request.headers();
        let is_upgrade = request.version() == Version::HTTP_11
            && has_token(headers, &UPGRADE, "websocket")
            && has_token(headers, &CONNECTION, "upgrade")
            && single(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == VERSION);
        if !is_upgrade {
            return Err(HandshakeError::UpgradeRequired);
        }
        single(headers, &HOST)
            .and_then(|_| single(headers, &SEC_WEBSOCKET_KEY))
            .and_then(Self::with_key)
            .ok_or(HandshakeError::Malformed)
    }

    fn with_key(key: &HeaderValue) -> Option<Self> {
        let nonce = Base64::decode_vec(key.to_str().ok()?).ok()?;
        if nonce.len() != NONCE_BYTES {
            return None;
        }
        let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
        let accept = HeaderValue::from_str(&Base64::encode_string(&digest)).ok()?;
        Some(Self { accept })
    }

    /// The answer with an empty body, after which both sides send frames (RFC 6455 section 4.2.2).
    pub fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().extend([
            (UPGRADE, PROTOCOL),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (SEC_WEBSOCKET_ACCEPT, self.accept),
        ]);
        response
    }
}

/// The headers of an answer with status 426. They tell the client which protocol and version to ask
/// for. `Connection` must name `Upgrade` wherever that header is sent (RFC 9110 section 7.8).
pub fn upgrade_required_headers() -> [(HeaderName, HeaderValue); 3] {
    [
        (UPGRADE, PROTOCOL),
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (SEC_WEBSOCKET_VERSION, VERSION),
    ]
}

/// Whether a header's comma-separated lists have this token, whose case does not matter.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use hyper::header::HeaderValue;

    use super::{Handshake, HandshakeError};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn opening(headers: &[(&str, &str)]) -> Result<Handshake, HandshakeError> {
        let request = headers
            .iter()
            .fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        Handshake::read(&request.body(()).unwrap())
    }

    #[test]
    fn the_answer_to_a_key_is_the_one_in_the_rfc() {
        let handshake = Handshake::with_key(&HeaderValue::from_static(KEY)).unwrap();
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for key in ["", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZXh4", "not base64 at all"] {
            assert_eq!(Handshake::with_key(&HeaderValue::from_static(key)), None, "{key}");
        }
    }

    #[test]
    fn a_request_that_lacks_or_repeats_a_header_is_refused() {
        let complete = [
            ("host", "localhost"),
            ("connection", "keep-alive"),
            ("connection", "x, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ];
        assert!(opening(&complete).is_ok(), "lists may be spread over several headers");
        for (missing, expected) in [
            (0, HandshakeError::Malformed),
            (2, HandshakeError::UpgradeRequired),
            (3, HandshakeError::UpgradeRequired),
            (4, HandshakeError::UpgradeRequired),
            (5, HandshakeError::Malformed),
        ] {
            let mut headers = complete.to_vec();
            headers.remove(missing);
            assert_eq!(opening(&headers), Err(expected), "{}", complete[missing].0);
        }
        for (repeated, expected) in [
            (0, HandshakeError::Malformed),
            (4, HandshakeError::UpgradeRequired),
            (5, HandshakeError::Malformed),
        ] {
            let headers = [&complete[..], &complete[repeated..=repeated]].concat();
            assert_eq!(opening(&headers), Err(expected), "{}", complete[repeated].0);
        }
    }
}
