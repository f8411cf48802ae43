//! The opening handshake of RFC 6455, section 4.2.

use base64ct::{Base64, Encoding as _};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use sha1::{Digest as _, Sha1};

use super::refusal::Refusal;

/// The only version there is.
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("13");
pub(crate) const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");
/// RFC 6455 section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const NONCE_BYTES: usize = 16;

/// What shows the client that we speak the protocol, and did not just echo something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accept(HeaderValue);

impl Accept {
    /// Checks the client's part of the handshake. Extensions and subprotocols are not taken up.
    pub(crate) fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let headers = request.headers();
        let is_upgrade = request.version() == Version::HTTP_11
            && names(headers, &UPGRADE, "websocket")
            && names(headers, &CONNECTION, "upgrade")
            && only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == VERSION);
        if !is_upgrade {
            return Err(Refusal::Upgrade);
        }
        only(headers, &HOST)
            .and_then(|_| only(headers, &SEC_WEBSOCKET_KEY))
            .and_then(Self::to_key)
            .ok_or(Refusal::Handshake)
    }

    fn to_key(key: &HeaderValue) -> Option<Self> {
        let mut nonce = [0; NONCE_BYTES + 2]; // the decoder asks for room by the text's length
        let nonce = Base64::decode(key.as_bytes(), &mut nonce).ok()?;
        if nonce.len() != NONCE_BYTES {
            return None;
        }
        let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(ACCEPT_GUID).finalize();
        HeaderValue::from_str(&Base64::encode_string(&digest)).ok().map(Self)
    }

    /// The answer that turns the connection into a WebSocket.
    pub(crate) fn response(self) -> Response<String> {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().extend([
            (UPGRADE, PROTOCOL),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (SEC_WEBSOCKET_ACCEPT, self.0),
        ]);
        response
    }
}

/// Whether the header's list names this token; all three lists of the handshake ignore case.
fn names(headers: &HeaderMap, header: &HeaderName, token: &str) -> bool {
    let mut lists = headers.get_all(header).iter().filter_map(|list| list.to_str().ok());
    lists.any(|list| list.split(',').any(|entry| entry.trim().eq_ignore_ascii_case(token)))
}

fn only<'a>(headers: &'a HeaderMap, header: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(header).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::{Accept, HeaderValue};

    #[test]
    fn the_answer_to_the_key_is_that_of_the_rfc() {
        let answer = Accept::to_key(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(answer.unwrap().0, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for key in ["", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZXh4", "not base64 at all"] {
            assert_eq!(Accept::to_key(&HeaderValue::from_static(key)), None, "{key}");
        }
    }
}
