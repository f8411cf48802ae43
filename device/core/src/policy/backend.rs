use std::{fmt, str::FromStr};

use device_key_types::{Host, Origin, Reason};

use super::PathPrefix;

/// A backend that the operator of a machine allows beside the built-in ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddedBackend {
    /// Exactly this origin; neither its subdomains nor its other ports.
    pub origin: BackendOrigin,
    /// Where its remote-control endpoints are.
    pub path_prefix: PathPrefix,
}

/// An origin to which statements may go at all: `https`, or `http` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendOrigin(Origin);

/// Why an origin cannot be a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackendOrigin {
    /// It is not spelled as its own ASCII serialisation (RFC 6454).
    #[error(
        "an origin is scheme, host and port alone, in lower case, without the scheme's own port: \
         https://backend.example"
    )]
    NotCanonical,
    /// Neither `https`, nor `http` on this machine: who listens in could use the statement first.
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
            "http" if is_loopback(origin.host()) => Ok(Self(origin)),
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

/// The backends that existing clients use, and this machine itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum BuiltInBackend {
    /// `https` on the default port, for a domain and all its subdomains.
    Domain(&'static str),
    /// `http` or `https` on any port of this machine.
    Loopback,
}

impl BuiltInBackend {
    pub(super) fn is_at(self, origin: &Origin) -> bool {
        match (self, origin.host()) {
            (Self::Domain(domain), Host::Domain(host)) => {
                origin.scheme() == "https"
                    && origin.port().is_none()
                    && host
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Loopback, host) => {
                matches!(origin.scheme(), "http" | "https") && is_loopback(host)
            }
            (Self::Domain(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => &**name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
