//! Checks whether a client may open a WebSocket: its origin and its token.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use device_key_types::Origin;
use device_key_websocket::bearer;
use hyper::HeaderMap;
use hyper::header::ORIGIN;

use super::error::WebSocketError;
use super::refusal::RequestRefusal;
use super::token::CapabilityToken;

/// Who may open a WebSocket at one listener. Cheap to clone; all clones have the same rules. Off
/// loopback they include a token.
#[derive(Clone)]
pub struct WebSocketAccess {
    address: SocketAddr,
    rules: Arc<RwLock<Rules>>,
}

struct Rules {
    token: Option<CapabilityToken>,
    origins: Vec<Origin>,
}

impl WebSocketAccess {
    /// The rules of a listener on this address.
    pub(super) fn on(
        address: SocketAddr,
        token: Option<CapabilityToken>,
        origins: Vec<Origin>,
    ) -> Result<Self, WebSocketError> {
        let rules = Arc::new(RwLock::new(Rules { token: None, origins: Vec::new() }));
        let access = Self { address, rules };
        access.replace(token, origins)?;
        Ok(access)
    }

    /// Replaces the rules for clients that come from now on. Open connections stay open.
    ///
    /// Fails with [`TokenRequired`](WebSocketError::TokenRequired), and keeps the rules, if the
    /// listener is not on loopback and there is no token.
    pub fn replace(
        &self,
        token: Option<CapabilityToken>,
        origins: Vec<Origin>,
    ) -> Result<(), WebSocketError> {
        self.check(token.as_ref())?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Rules { token, origins };
        Ok(())
    }

    /// Whether [`replace`](Self::replace) would accept this token.
    pub fn check(&self, token: Option<&CapabilityToken>) -> Result<(), WebSocketError> {
        let address = self.address;
        // A mapped address, such as ::ffff:127.0.0.1, is reached as its IPv4 address.
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(WebSocketError::TokenRequired { address });
        }
        Ok(())
    }

    /// Refuses web pages, except from allowed origins: a browser can reach loopback, and tells the
    /// origin of the page that asks.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), RequestRefusal> {
        // An origin has one spelling, so comparing texts is enough.
        let rules = self.rules();
        let is_allowed =
            |shown: &[u8]| rules.origins.iter().any(|origin| origin.as_str().as_bytes() == shown);
        let mut shown = headers.get_all(ORIGIN).iter();
        if shown.all(|value| is_allowed(value.as_bytes())) {
            Ok(())
        } else {
            Err(RequestRefusal::Origin)
        }
    }

    /// Refuses clients that do not show the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), RequestRefusal> {
        let rules = self.rules();
        let Some(token) = &rules.token else { return Ok(()) };
        let is_shown = bearer(headers).is_some_and(|shown| token.is(shown));
        if is_shown { Ok(()) } else { Err(RequestRefusal::Token) }
    }

    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::WebSocketAccess;

    fn needs_token(address: &str) -> bool {
        let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 1);
        WebSocketAccess::on(address, None, Vec::new()).is_err()
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
