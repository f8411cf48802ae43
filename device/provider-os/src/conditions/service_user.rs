//! The user that this process runs as.

use device_key_private_fs::trusted::{ROOT, TrustPolicy, WRITABLE_BY_OTHERS};
use rustix::process::{geteuid, getuid};

/// The user ids of this process. A client with either of them is the service itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUser {
    /// Root, the effective and the real user id: all users that the service trusts.
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

    /// Nobody but root and the service may own or write what the service relies on.
    pub(super) const fn policy(&self) -> TrustPolicy<'_> {
        TrustPolicy { owners: &self.trusted, forbidden: WRITABLE_BY_OTHERS }
    }
}
