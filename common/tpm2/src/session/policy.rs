//! Policy sessions, as far as an endorsement key needs one.

use crate::handle::Handle;

/// An open policy session. It lives in the TPM until it is flushed, also after a disconnect on a raw TPM: give
/// it back with [`Tpm::flush_policy_session`](crate::Tpm::flush_policy_session).
///
/// What it has asserted counts for one authorization; the TPM forgets it when a command that it authorized
/// succeeds.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicySession {
    handle: Handle,
}

impl PolicySession {
    pub(crate) const fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The handle, for instance to record it before a crash.
    pub const fn handle(&self) -> Handle {
        self.handle
    }
}
