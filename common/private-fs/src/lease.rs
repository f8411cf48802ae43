//! A locked file that says its holder is alive.

use crate::{
    claim::{Claim, Holder, probe, sweep},
    dir::PrivateDir,
    error::PrivateFsError,
    name::FileName,
};

#[cfg(test)]
mod tests;

/// A locked file that shows that its holder is alive. A process id could not, because it can be
/// reused.
///
/// The file (mode `0600`, empty) is locked with flock(2) as long as this value lives, and removed
/// on drop. If the process dies, however it dies, the kernel drops the lock and the file remains
/// for [`PrivateDir::break_lease`] to find. The lock excludes other processes and other places in
/// this one alike. It says nothing across machines: on NFS it is only as good as the lock service.
///
/// Take the lease before writing its name anywhere: whoever reads the name then finds it locked, or
/// its holder gone.
#[derive(Debug)]
#[must_use = "the lease ends when it is dropped"]
pub struct Lease {
    _locked_until_dropped: Claim,
    name: FileName,
}

/// Whether the holder of a lease is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody holds the lease: the file is missing, or its holder ended and the lock with it.
    Free,
    /// The file is locked, by a live holder or, for two system calls, by another process that looks
    /// at it.
    Held,
}

impl Lease {
    /// The name under which the lease was taken.
    pub fn name(&self) -> &FileName {
        &self.name
    }
}

impl PrivateDir {
    /// Takes the lease, and removes first what a dead holder left under this name.
    ///
    /// The file is created, locked, and then its name looked up again: if a sweeper found it before
    /// it was locked and removed it, another is made. A returned lease is locked and named.
    ///
    /// Fails with `Held` if a live holder has it; with `SymbolicLink`, `NotRegular`, `WrongOwner`
    /// or `WrongMode` if something else stands there, which is left as it is; or with `Io`.
    pub fn lease(&self, name: &FileName) -> Result<Lease, PrivateFsError> {
        let claim = Claim::take(self, name.as_str())?;
        Ok(Lease { _locked_until_dropped: claim, name: name.clone() })
    }

    /// Whether a live holder has the lease; changes nothing.
    ///
    /// `true` can be out of date at once; `false` stays so until someone takes the lease anew.
    ///
    /// Fails as [`lease`](Self::lease) does, but never with `Held`.
    pub fn is_leased(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        Ok(probe(self, name.as_str())? == Holder::Alive)
    }

    /// Removes the lease of a dead holder.
    ///
    /// The file is removed only while its lock is held and its name still leads to it, so a lease
    /// that a live holder has, or takes meanwhile, is never removed. [`LeaseState::Free`] says that
    /// this lease is over; [`LeaseState::Held`] that nothing was done.
    ///
    /// Fails as [`lease`](Self::lease) does, but never with `Held`.
    pub fn break_lease(&self, name: &FileName) -> Result<LeaseState, PrivateFsError> {
        Ok(match sweep(self, name.as_str())? {
            Holder::Alive => LeaseState::Held,
            Holder::None => LeaseState::Free,
        })
    }
}
