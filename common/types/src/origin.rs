//! Web origins.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

use crate::Reason;

/// The longest origin. A scheme, a domain name of 253 bytes (RFC 1035) and a port are shorter.
const MAX_BYTES: usize = 512;

/// A web origin: scheme, host and port.
///
/// The only spelling is the ASCII serialisation (RFC 6454 section 6.2), which is in lower case and
/// has no default port, no user information and no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    text: Box<str>,
    scheme: Box<str>,
    host: Host,
    port: Option<u16>,
}

/// The host of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name in its ASCII form.
    Domain(Box<str>),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
}

impl Host {
    /// Whether the host is this machine: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Domain(name) => &**name == "localhost",
            Self::Ipv4(address) => address.is_loopback(),
            Self::Ipv6(address) => address.is_loopback(),
        }
    }
}

impl Origin {
    /// The origin's only spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, such as `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, or `None` for the scheme's default.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for Origin {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let parse = || {
            let url = Some(text).filter(|text| text.len() <= MAX_BYTES)?.parse::<Url>().ok()?;
            let host = match url.host()? {
                url::Host::Domain(domain) => Host::Domain(domain.into()),
                url::Host::Ipv4(address) => Host::Ipv4(address),
                url::Host::Ipv6(address) => Host::Ipv6(address),
            };
            // The URL parser repairs text. Only text that needed no repair is accepted.
            (url.origin().ascii_serialization() == text).then(|| Self {
                text: text.into(),
                scheme: url.scheme().into(),
                host,
                port: url.port(),
            })
        };
        parse().ok_or(Reason::OriginNotCanonical)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
