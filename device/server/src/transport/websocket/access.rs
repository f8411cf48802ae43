//! Checks whether a client may open a WebSocket: its origin and its token.

use std::net::SocketAddr;

use device_key_types::Origin;
use device_key_websocket::bearer;
use hyper::HeaderMap;
use hyper::header::ORIGIN;

use super::error::WebSocketError;
use super::refusal::RequestRefusal;
use super::token::CapabilityToken;

/// The rules of one listener. Off loopback they include a token.
pub(super) struct Access {
    token: Option<CapabilityToken>,
    origins: Vec<Origin>,
}

impl Access {
    /// The rules of a listener on this address.
    pub(super) fn on(
        address: SocketAddr,
        token: Option<CapabilityToken>,
        origins: Vec<Origin>,
    ) -> Result<Self, WebSocketError> {
        // A mapped address, such as ::ffff:127.0.0.1, is reached as its IPv4 address.
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(WebSocketError::TokenRequired { address });
        }
        Ok(Self { token, origins })
    }

    /// Refuses web pages, except from allowed origins: a browser can reach loopback, and tells the
    /// origin of the page that asks.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), RequestRefusal> {
        // An origin has one spelling, so comparing texts is enough.
        let is_allowed =
            |shown: &[u8]| self.origins.iter().any(|origin| origin.as_str().as_bytes() == shown);
        let mut shown = headers.get_all(ORIGIN).iter();
        if shown.all(|value| is_allowed(value.as_bytes())) {
            Ok(())
        } else {
            Err(RequestRefusal::Origin)
        }
    }

    /// Refuses clients that do not show the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), RequestRefusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let is_shown = bearer(headers).is_some_and(|shown| token.is(shown));
        if is_shown { Ok(()) } else { Err(RequestRefusal::Token) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::Access;

    fn needs_token(address: &str) -> bool {
        let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 1);
        Access::on(address, None, Vec::new()).is_err()
    }

    #[test]
    fn only_loopback_needs_no_token() {
        for address in ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"] {
            assert!(!needs_token(address), "{address}");
        }
        for address in ["0.0.0.0", "::", "::ffff:0.0.0.0", "10.0.0.1", "fe80::1", "::127.0.0.1"] {
            assert!(needs_token(address), "{address}");
        }
    }
}
