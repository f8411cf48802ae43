//! Who may open a WebSocket.

use std::net::SocketAddr;

use device_key_types::Origin;
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, ORIGIN},
};

use super::refusal::Refusal;
use crate::{CapabilityToken, WebSocketError};

const SCHEME: &[u8] = b"Bearer";

/// The rules of one listener. Off loopback there are none without a token.
pub(crate) struct Access {
    token: Option<CapabilityToken>,
    origins: Vec<Origin>,
}

impl Access {
    /// The rules of a listener on this address.
    pub(crate) fn on(
        address: SocketAddr,
        token: Option<CapabilityToken>,
        origins: Vec<Origin>,
    ) -> Result<Self, WebSocketError> {
        // A mapped address, such as ::ffff:127.0.0.1, is where its IPv4 address is.
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(WebSocketError::TokenRequired { address });
        }
        Ok(Self { token, origins })
    }

    /// Refuses pages: a browser says where the page that asks came from, and can reach loopback.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // An origin has one spelling, so that comparing texts is enough.
        let is_allowed =
            |shown: &[u8]| self.origins.iter().any(|origin| origin.as_str().as_bytes() == shown);
        let mut shown = headers.get_all(ORIGIN).iter();
        if shown.all(|value| is_allowed(value.as_bytes())) { Ok(()) } else { Err(Refusal::Origin) }
    }

    /// Refuses whoever does not show the token, if there is one.
    pub(crate) fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (only, another) = (shown.next(), shown.next());
        match only.and_then(|value| bearer(value.as_bytes())) {
            Some(shown) if another.is_none() && token.is(shown) => Ok(()),
            _ => Err(Refusal::Token),
        }
    }
}

/// The credentials behind the scheme, whose case does not matter (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
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
