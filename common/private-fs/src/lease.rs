//! A locked file that says its holder is alive.

use crate::claim::{Claim, Holder, probe, sweep};
use crate::dir::PrivateDir;
use crate::error::PrivateFsError;
use crate::name::FileName;

#[cfg(test)]
mod tests;

/// A locked file that shows that its holder is alive. A process id could not show that, because
/// process ids are reused.
///
/// The file (mode `0600`, empty) is locked with flock(2) as long as this value lives, and is
/// removed on drop. If the process dies in any way, the kernel releases the lock and the file
/// remains for [`PrivateDir::break_lease`] to find. The lock excludes other processes and also
/// other callers in this process. Between machines, on NFS, the lock is only as reliable as the
/// lock service.
///
/// Take the lease before you write its name anywhere. Whoever reads the name then finds the file
/// locked, or knows that the holder is gone.
#[derive(Debug)]
#[must_use = "the lease ends when it is dropped"]
pub struct Lease {
    _locked_until_dropped: Claim,
    name: FileName,
}

/// Whether the holder of a lease is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody holds the lease. The file is missing, or its holder has ended, which released the
    /// lock.
    Free,
    /// The file is locked by a live holder. A process that only looks at the file also locks it,
    /// for two system calls.
    Held,
}

impl Lease {
    /// The name under which the lease was taken.
    pub fn name(&self) -> &FileName {
        &self.name
    }
}

impl PrivateDir {
    /// Takes the lease. First removes the file that a dead holder left under this name.
    ///
    /// The file is created and locked, and then its name is looked up again. If another process
    /// removed the file before it was locked, a new file is created. So the file of a returned
    /// lease is locked and has its name.
    ///
    /// Fails with `Held` if a live holder has it; with `SymbolicLink`, `NotRegular`, `WrongOwner`
    /// or `WrongMode` if something other than a lease has this name, which is not changed; or with
    /// `Io`.
    pub fn lease(&self, name: &FileName) -> Result<Lease, PrivateFsError> {
        let claim = Claim::take(self, name.as_str())?;
        Ok(Lease { _locked_until_dropped: claim, name: name.clone() })
    }

    /// Returns whether a live holder has the lease. Changes nothing.
    ///
    /// `true` may be outdated as soon as it is returned. `false` stays true until someone takes the
    /// lease again.
    ///
    /// Fails as [`lease`](Self::lease) does, but never with `Held`.
    pub fn is_leased(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        Ok(probe(self, name.as_str())? == Holder::Alive)
    }

    /// Removes the lease of a dead holder.
    ///
    /// This method removes the file only while it holds the file's lock and the name still leads to
    /// this file. So the lease of a live holder is never removed, even if it was taken in the
    /// meantime. [`LeaseState::Free`] means that this lease is over. [`LeaseState::Held`] means
    /// that nothing was done.
    ///
    /// Fails as [`lease`](Self::lease) does, but never with `Held`.
    pub fn break_lease(&self, name: &FileName) -> Result<LeaseState, PrivateFsError> {
        Ok(match sweep(self, name.as_str())? {
            Holder::Alive => LeaseState::Held,
            Holder::None => LeaseState::Free,
        })
    }
}
