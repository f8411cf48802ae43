//! The server's side of a WebSocket's opening handshake (RFC 6455 section 4.2). tungstenite's own
//! brings an older SHA-1, and answers nothing else on its connection.

use axum::{
    body::Body,
    http::{
        HeaderMap, Request, Response, StatusCode, Version,
        header::{
            CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_VERSION, UPGRADE,
        },
    },
};
use base64ct::{Base64, Encoding as _};
use sha1::{Digest as _, Sha1};

use super::{extract::only, refusal::HttpRefusal};

/// The only version there is.
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("13");
pub(super) const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const NONCE_BYTES: usize = 16;

/// A client that speaks the protocol, and what shows it that we do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    accept: HeaderValue,
}

impl Handshake {
    /// Reads the client's side. Subprotocols and extensions are not taken up.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, HttpRefusal> {
        let headers = request.headers();
        let asks = request.version() == Version::HTTP_11
            && lists(headers, &UPGRADE, "websocket")
            && lists(headers, &CONNECTION, "upgrade")
            && only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == VERSION);
        if !asks {
            return Err(HttpRefusal::Upgrade);
        }
        only(headers, &SEC_WEBSOCKET_KEY).and_then(Self::with_key).ok_or(HttpRefusal::Handshake)
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

    /// The answer after which both sides speak WebSocket.
    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().extend([
            (UPGRADE, PROTOCOL),
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (SEC_WEBSOCKET_ACCEPT, self.accept),
        ]);
        response
    }
}

/// Whether a header's comma-separated lists have this word, whose case does not matter.
fn lists(headers: &HeaderMap, header: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let handshake = Handshake::with_key(&key).unwrap();
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for key in ["", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZXh4", "?"] {
            assert_eq!(Handshake::with_key(&HeaderValue::from_static(key)), None, "{key}");
        }
    }
}
