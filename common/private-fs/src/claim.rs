//! A name that a live process holds, and the removal of what dead ones left.
//!
//! A claim is a file that its holder created and locked with flock(2). The lock belongs to the open
//! file description, so a second open conflicts even in the same process, and the kernel drops it
//! when the last descriptor closes, also after `SIGKILL`. Two rules make removal safe:
//!
//! 1. Only a process that holds the lock may remove the name, and only while the name still leads
//!    to the inode it locked. So a live claim is never removed.
//! 2. A claimant creates the file itself (`O_EXCL`), locks it, and then looks whether the name
//!    still leads to its inode. A sweeper may have come between creating and locking; then the
//!    claimant holds a nameless file and starts again. So a claim that was returned is named and
//!    locked.
//!
//! The claimant waits for the lock of the file it created: nobody but a sweeper or a probe can have
//! it, and these hold it for two system calls. While a process forks, its child shares the lock
//! until `exec` closes it (`O_CLOEXEC`); a claim can look alive that much longer, never dead too
//! soon.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, FlockOperation, Mode, OFlags, fchmod, flock, fstat, openat, statat, unlinkat},
    io::{Errno, retry_on_intr},
};

use crate::{
    check::{FILE_MODE, check_file_of_any_links},
    dir::PrivateDir,
    error::{Operation, PrivateFsError},
};

/// A locked file; its name is removed on drop, if it still leads to this file.
#[derive(Debug)]
pub(crate) struct Claim {
    dir: PrivateDir,
    name: String,
    pub(crate) file: File,
}

/// Whether a live process holds a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Alive,
    None,
}

impl Claim {
    /// Takes the name: sweeps what a dead holder left, creates the file, locks it.
    ///
    /// `Held` if a live process has it.
    pub(crate) fn take(dir: &PrivateDir, name: &str) -> Result<Self, PrivateFsError> {
        let path = || dir.path_of(name);
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let mode = Mode::from_raw_mode(FILE_MODE);
            let fd = match openat(dir.fd(), name, flags | OFlags::CLOEXEC, mode) {
                Ok(fd) => fd,
                Err(Errno::EXIST) => match sweep(dir, name)? {
                    Holder::Alive => return Err(PrivateFsError::Held { path: path() }),
                    Holder::None => continue,
                },
                Err(errno) => return Err(PrivateFsError::io(Operation::Create, path())(errno)),
            };
            let claim = Self { dir: dir.clone(), name: name.to_owned(), file: File::from(fd) };
            retry_on_intr(|| flock(&claim.file, FlockOperation::LockExclusive))
                .map_err(PrivateFsError::io(Operation::Lock, path()))?;
            if !leads_to(dir, name, &claim.file)? {
                continue;
            }
            restore_owner_access(&claim.file)
                .map_err(PrivateFsError::io(Operation::SetMode, path()))?;
            return Ok(claim);
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The lock is still held, so rule 1 keeps this name ours between the look and the removal.
        // A failure leaves a file that the next sweep finds dead.
        if let Ok(true) = leads_to(&self.dir, &self.name, &self.file) {
            let _ = unlinkat(self.dir.fd(), &self.name, AtFlags::empty());
        }
        // Not left to closing: a child being forked may still share the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Removes the name unless a live process holds it.
pub(crate) fn sweep(dir: &PrivateDir, name: &str) -> Result<Holder, PrivateFsError> {
    let path = || dir.path_of(name);
    loop {
        let Some(fd) = open_existing(dir, name)? else {
            return Ok(Holder::None);
        };
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Holder::Alive),
            Err(errno) => return Err(PrivateFsError::io(Operation::Lock, path())(errno)),
        }
        // Another sweeper may have removed this inode and a claimant made a new one.
        if leads_to(dir, name, &fd)? {
            unlinkat(dir.fd(), name, AtFlags::empty())
                .map_err(PrivateFsError::io(Operation::Remove, path()))?;
            return Ok(Holder::None);
        }
    }
}

/// Whether a live process holds the name; changes nothing.
///
/// A shared lock, so that two probes do not take each other for a holder. It is released, not just
/// closed: a child being forked may still share it.
pub(crate) fn probe(dir: &PrivateDir, name: &str) -> Result<Holder, PrivateFsError> {
    let Some(fd) = open_existing(dir, name)? else {
        return Ok(Holder::None);
    };
    let locked = flock(&fd, FlockOperation::NonBlockingLockShared)
        .and_then(|()| flock(&fd, FlockOperation::Unlock));
    match locked {
        Ok(()) => Ok(Holder::None),
        Err(Errno::WOULDBLOCK) => Ok(Holder::Alive),
        Err(errno) => Err(PrivateFsError::io(Operation::Lock, dir.path_of(name))(errno)),
    }
}

/// Gives the owner what the umask took; open(2) never gives group or others more than `0600` has.
pub(crate) fn restore_owner_access(fd: impl AsFd) -> Result<(), Errno> {
    let stat = fstat(&fd)?;
    if stat.st_mode & FILE_MODE == FILE_MODE {
        return Ok(());
    }
    fchmod(&fd, Mode::from_raw_mode(FILE_MODE))
}

/// `O_RDWR`, because NFS maps an exclusive flock to a write lock (flock(2)); `O_NONBLOCK`, because
/// a FIFO would keep us waiting.
fn open_existing(dir: &PrivateDir, name: &str) -> Result<Option<OwnedFd>, PrivateFsError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match openat(dir.fd(), name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(dir, name, errno)),
    };
    check_file_of_any_links(&fd, &dir.path_of(name))?;
    Ok(Some(fd))
}

/// Words for an open that failed because of what stands under the name.
pub(crate) fn refused(dir: &PrivateDir, name: &str, errno: Errno) -> PrivateFsError {
    let path = dir.path_of(name);
    match errno {
        Errno::NOENT => PrivateFsError::NotFound { path },
        Errno::LOOP => PrivateFsError::SymbolicLink { path },
        Errno::ISDIR | Errno::NXIO => PrivateFsError::NotRegular { path },
        other => PrivateFsError::io(Operation::Open, path)(other),
    }
}

/// Whether the name leads to the open file. Its inode number cannot be reused while it is open.
fn leads_to(dir: &PrivateDir, name: &str, fd: impl AsFd) -> Result<bool, PrivateFsError> {
    let failed = |errno| PrivateFsError::io(Operation::Inspect, dir.path_of(name))(errno);
    let opened = fstat(fd).map_err(failed)?;
    match statat(dir.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}
