//! The origins that a backend may have.

use std::fmt;
use std::str::FromStr;

use crate::{Origin, Reason};

/// An origin that statements may be addressed to: `https`, or `http` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendOrigin(Origin);

/// Why an origin cannot be a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackendOrigin {
    /// The text is not the ASCII serialisation of an origin (RFC 6454).
    #[error(
        "an origin is scheme, host and port alone, in lower case, without the scheme's own port: \
         https://backend.example"
    )]
    NotCanonical,
    /// The origin is neither `https` nor `http` on this machine. An eavesdropper on the network
    /// could use the statement before its sender does.
    #[error("a backend's origin is https, or http on localhost or a loopback address")]
    Insecure,
}

impl BackendOrigin {
    /// The origin itself.
    pub const fn as_origin(&self) -> &Origin {
        &self.0
    }
}

impl TryFrom<Origin> for BackendOrigin {
    type Error = InvalidBackendOrigin;

    fn try_from(origin: Origin) -> Result<Self, InvalidBackendOrigin> {
        match origin.scheme() {
            "https" => Ok(Self(origin)),
            "http" if origin.host().is_loopback() => Ok(Self(origin)),
            _ => Err(InvalidBackendOrigin::Insecure),
        }
    }
}

impl FromStr for BackendOrigin {
    type Err = InvalidBackendOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidBackendOrigin> {
        let origin: Origin =
            text.parse().map_err(|_: Reason| InvalidBackendOrigin::NotCanonical)?;
        origin.try_into()
    }
}

impl fmt::Display for BackendOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_go_without_tls() {
        for text in [
            "https://one.example",
            "https://one.example:8443",
            "https://192.0.2.1",
            "http://localhost",
            "http://localhost:3000",
            "http://127.9.9.9",
            "http://[::1]:3000",
        ] {
            assert_eq!(text.parse::<BackendOrigin>().unwrap().to_string(), text);
        }
        for text in [
            "http://one.example",
            "http://192.0.2.1",
            "http://[2001:db8::1]",
            "http://0.0.0.0",
            "http://a.localhost",
            "http://localhost.evil.example",
            "ws://localhost",
            "wss://one.example",
            "ftp://localhost",
        ] {
            assert_eq!(
                text.parse::<BackendOrigin>(),
                Err(InvalidBackendOrigin::Insecure),
                "{text}"
            );
        }
        for text in [
            "",
            "one.example",
            "https://one.example/",
            "https://ONE.example",
            "https://one.example:443",
        ] {
            let outcome = text.parse::<BackendOrigin>();
            assert_eq!(outcome, Err(InvalidBackendOrigin::NotCanonical), "{text}");
        }
    }
}
