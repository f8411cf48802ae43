//! The backends that statements may be addressed to.

use device_key_types::payload::{Statement, StatementPolicy};
use device_key_types::{BackendOrigin, Origin, Reason, TargetPath, UnixTime, check_expiry};

mod backend;

pub use backend::AddedBackend;

use backend::BuiltInBackend;

const BUILT_IN_BACKENDS: [BuiltInBackend; 3] = [
    BuiltInBackend::Domain("chatgpt.com"),
    BuiltInBackend::Domain("chatgpt-staging.com"),
    BuiltInBackend::Loopback,
];

/// The prefixes of the built-in backends' endpoints. An added backend has only the prefix that its
/// operator gave it.
const BUILT_IN_PATH_PREFIXES: [&str; 2] = ["/api/codex", "/wham"];

/// The origins and paths that each statement may be addressed to.
///
/// A backend has only the path prefixes that were added for it. An allowed path is a prefix and the
/// one [endpoint](Statement::endpoint) of the statement. No backend may ask for an attestation
/// unless its origin is named for that.
#[derive(Clone, Debug, Default)]
pub struct RemoteControlPolicy {
    added: Vec<AddedBackend>,
    attested: Vec<BackendOrigin>,
}

impl RemoteControlPolicy {
    /// Allows these backends in addition to the built-in backends. If an added origin belongs to a
    /// built-in backend, exactly this origin gets another prefix.
    #[must_use]
    pub fn with_backends(mut self, backends: impl IntoIterator<Item = AddedBackend>) -> Self {
        self.added.extend(backends);
        self
    }

    /// Lets the backends at exactly these origins ask for attestations. An origin that belongs to
    /// no backend still gets nothing.
    ///
    /// An attestation shows the machine's endorsement key, which identifies the machine for good.
    /// The challenge for it is not signed, so a client can write one for any origin that is named
    /// here.
    #[must_use]
    pub fn with_attestation_for(
        mut self,
        origins: impl IntoIterator<Item = BackendOrigin>,
    ) -> Self {
        self.attested.extend(origins);
        self
    }

    /// The policy at one point in time.
    pub const fn at(&self, now: UnixTime) -> PolicyAt<'_> {
        PolicyAt { policy: self, now }
    }

    fn may_ask_for(&self, statement: Statement, origin: &Origin) -> bool {
        statement != Statement::Attestation
            || self.attested.iter().any(|attested| attested.as_origin() == origin)
    }

    fn added_at(&self, origin: &Origin) -> impl Iterator<Item = &AddedBackend> {
        self.added.iter().filter(move |backend| backend.origin.as_origin() == origin)
    }
}

/// A [`RemoteControlPolicy`] at one point in time.
#[derive(Clone, Copy, Debug)]
pub struct PolicyAt<'a> {
    policy: &'a RemoteControlPolicy,
    now: UnixTime,
}

impl StatementPolicy for PolicyAt<'_> {
    fn origin(&self, statement: Statement, origin: &Origin) -> Result<(), Reason> {
        let is_backend = is_built_in(origin) || self.policy.added_at(origin).next().is_some();
        if is_backend && self.policy.may_ask_for(statement, origin) {
            Ok(())
        } else {
            Err(Reason::OriginNotAllowed)
        }
    }

    fn path(&self, statement: Statement, origin: &Origin, path: &TargetPath) -> Result<(), Reason> {
        let built_in =
            || BUILT_IN_PATH_PREFIXES.iter().any(|prefix| leads_to(prefix, statement, path));
        let mut added = self.policy.added_at(origin);
        if is_built_in(origin) && built_in()
            || added.any(|backend| leads_to(backend.path_prefix.as_str(), statement, path))
        {
            Ok(())
        } else {
            Err(Reason::PathNotAllowed)
        }
    }

    fn expiry(&self, expires_at: UnixTime) -> Result<(), Reason> {
        check_expiry(expires_at, self.now)
    }
}

fn is_built_in(origin: &Origin) -> bool {
    BUILT_IN_BACKENDS.iter().any(|backend| backend.is_at(origin))
}

/// Whether the path is exactly this prefix and the endpoint of the statement.
fn leads_to(prefix: &str, statement: Statement, path: &TargetPath) -> bool {
    path.as_str().strip_prefix(prefix) == Some(statement.endpoint())
}

#[cfg(test)]
mod tests;
