//! The user that this process runs as.

use device_key_private_fs::trusted::{ROOT, TrustPolicy, WRITABLE_BY_OTHERS};
use rustix::process::{geteuid, getuid};

/// The user ids of this process. A client that has one of these ids is the service's own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUser {
    /// The users that the service trusts: root, the effective and the real user of the process.
    trusted: [u32; 3],
}

impl ServiceUser {
    pub(crate) fn current() -> Self {
        Self::new(geteuid().as_raw(), getuid().as_raw())
    }

    pub(super) const fn new(effective: u32, real: u32) -> Self {
        Self { trusted: [ROOT, effective, real] }
    }

    pub(super) const fn has(self, uid: u32) -> bool {
        let [_, effective, real] = self.trusted;
        uid == effective || uid == real
    }

    /// The policy for files that the service relies on: only root and the service may own or write
    /// these files.
    pub(super) const fn policy(&self) -> TrustPolicy<'_> {
        TrustPolicy { owners: &self.trusted, forbidden: WRITABLE_BY_OTHERS }
    }
}
