use device_key_types::{
    Origin, Reason, TargetPath, UnixTime, check_expiry,
    payload::{Statement, StatementPolicy},
};

mod backend;

pub use backend::AddedBackend;

use backend::BuiltInBackend;

const BUILT_IN_BACKENDS: [BuiltInBackend; 3] = [
    BuiltInBackend::Domain("chatgpt.com"),
    BuiltInBackend::Domain("chatgpt-staging.com"),
    BuiltInBackend::Loopback,
];

/// Where the built-in backends have their endpoints. No other backend has them there.
const BUILT_IN_PATH_PREFIXES: [&str; 2] = ["/api/codex", "/wham"];

/// Where each statement may be addressed.
///
/// A backend has the prefixes that were given for it and no others. A path is a prefix and the one
/// endpoint of its statement; the endpoints end in different segments, so no prefix makes the path
/// of one statement that of the other.
#[derive(Clone, Debug, Default)]
pub struct RemoteControlPolicy {
    added: Vec<AddedBackend>,
}

impl RemoteControlPolicy {
    /// Allows these backends beside the built-in ones. One that is a built-in backend already gets
    /// another prefix, for exactly that origin.
    #[must_use]
    pub fn with_backends(mut self, backends: impl IntoIterator<Item = AddedBackend>) -> Self {
        self.added.extend(backends);
        self
    }

    /// The policy as it stands at one point in time.
    pub const fn at(&self, now: UnixTime) -> PolicyAt<'_> {
        PolicyAt { policy: self, now }
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
    fn origin(&self, origin: &Origin) -> Result<(), Reason> {
        if is_built_in(origin) || self.policy.added_at(origin).next().is_some() {
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

/// Whether the path is this prefix and the endpoint of the statement, and nothing else.
fn leads_to(prefix: &str, statement: Statement, path: &TargetPath) -> bool {
    path.as_str().strip_prefix(prefix) == Some(statement.endpoint())
}

#[cfg(test)]
mod tests;
