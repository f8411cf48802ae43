use device_key_types::{
    Host, Origin, Reason, TargetPath, UnixTime,
    payload::{Admission, Statement},
};

/// Longest time from now to an expiry, in seconds.
pub const MAX_LIFETIME_SECONDS: i64 = 900;

/// Where each statement may be addressed. Connection and enrollment paths are disjoint by
/// construction: a path is a known prefix and the one suffix of its statement.
#[derive(Clone, Debug)]
pub struct RemoteControlPolicy {
    backends: Vec<Backend>,
    path_prefixes: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Backend {
    /// `https` on the default port, for a domain and all its subdomains.
    Domain(&'static str),
    /// `http` or `https` on any port of this machine.
    Loopback,
}

impl Default for RemoteControlPolicy {
    /// The backends that existing clients use, and this machine itself.
    fn default() -> Self {
        Self {
            backends: vec![
                Backend::Domain("chatgpt.com"),
                Backend::Domain("chatgpt-staging.com"),
                Backend::Loopback,
            ],
            path_prefixes: vec!["/api/codex", "/wham"],
        }
    }
}

impl RemoteControlPolicy {
    /// The policy as it stands at one point in time.
    pub const fn at(&self, now: UnixTime) -> AdmissionAt<'_> {
        AdmissionAt { policy: self, now }
    }
}

/// A [`RemoteControlPolicy`] at one point in time.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionAt<'a> {
    policy: &'a RemoteControlPolicy,
    now: UnixTime,
}

impl Admission for AdmissionAt<'_> {
    fn origin(&self, origin: &Origin) -> Result<(), Reason> {
        if self.policy.backends.iter().any(|backend| backend.is_at(origin)) {
            Ok(())
        } else {
            Err(Reason::OriginNotAllowed)
        }
    }

    fn path(&self, statement: Statement, _: &Origin, path: &TargetPath) -> Result<(), Reason> {
        let is_known = self
            .policy
            .path_prefixes
            .iter()
            .any(|prefix| path.as_str().strip_prefix(prefix) == Some(endpoint(statement)));
        if is_known { Ok(()) } else { Err(Reason::PathNotAllowed) }
    }

    fn expiry(&self, expires_at: UnixTime) -> Result<(), Reason> {
        if expires_at <= self.now {
            return Err(Reason::Expired);
        }
        if expires_at > self.now.saturating_add(MAX_LIFETIME_SECONDS) {
            return Err(Reason::ExpiresTooLate);
        }
        Ok(())
    }
}

const fn endpoint(statement: Statement) -> &'static str {
    match statement {
        Statement::Connection => "/remote/control/client",
        Statement::Enrollment => "/remote/control/client/enroll",
    }
}

impl Backend {
    fn is_at(&self, origin: &Origin) -> bool {
        match (self, origin.host()) {
            (Self::Domain(domain), Host::Domain(host)) => {
                origin.scheme() == "https"
                    && origin.port().is_none()
                    && host
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Loopback, host) => {
                matches!(origin.scheme(), "http" | "https")
                    && match host {
                        Host::Domain(name) => &**name == "localhost",
                        Host::Ipv4(address) => address.is_loopback(),
                        Host::Ipv6(address) => address.is_loopback(),
                    }
            }
            (Self::Domain(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}
