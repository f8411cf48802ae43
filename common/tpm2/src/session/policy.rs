//! Policy sessions, to the extent that an endorsement key needs them.

use crate::handle::Handle;

/// An open policy session. The session stays in the TPM until it is flushed, on a raw TPM even
/// after a disconnect. End it with [`Tpm::flush_policy_session`](crate::Tpm::flush_policy_session).
///
/// The assertions in a session are good for one authorization: the TPM forgets them when a command
/// that they authorized succeeds.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicySession {
    handle: Handle,
}

impl PolicySession {
    pub(crate) const fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The session's handle. A caller can record it, for instance to flush the session after a
    /// crash.
    pub const fn handle(&self) -> Handle {
        self.handle
    }
}
