//! The backends that a policy allows.

use device_key_types::{BackendOrigin, Host, Origin, PathPrefix};

/// A backend that the operator of a machine allows in addition to the built-in backends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddedBackend {
    /// Exactly this origin, without its subdomains and other ports.
    pub origin: BackendOrigin,
    /// The path in front of its remote-control endpoints.
    pub path_prefix: PathPrefix,
}

/// A backend that existing clients use, or this machine itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum BuiltInBackend {
    /// `https` on the default port of a domain and of all its subdomains.
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
                matches!(origin.scheme(), "http" | "https") && host.is_loopback()
            }
            (Self::Domain(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}
