//! A file name that a live process holds, and the removal of files that dead processes left.
//!
//! A claim is a file that its holder created and locked with flock(2). The lock belongs to the open
//! file description. So a second open of the file conflicts even in the same process, and the
//! kernel releases the lock when the last descriptor closes, also after `SIGKILL`. Two rules make
//! removal safe:
//!
//! 1. A process may remove the name only while it holds the lock and the name still leads to the
//!    inode that it locked. So a live claim is never removed.
//! 2. A process that claims the name creates the file itself (`O_EXCL`), locks it, and then checks
//!    that the name still leads to its inode. If another process swept the name after the file was
//!    created and before it was locked, the file has no name any more, and the process starts
//!    again. So the file of a returned claim has its name and is locked.
//!
//! The claiming process waits for the lock of the file that it created. Only a sweep or a probe can
//! hold this lock, and only for two system calls. While a process forks, its child shares the lock
//! until `exec` closes the descriptor (`O_CLOEXEC`). So a claim can look alive a little too long,
//! but never dead too soon.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, fchmod, flock, fstat, openat, statat, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use crate::check::{FILE_MODE, check_removable_file};
use crate::dir::PrivateDir;
use crate::error::{Operation, PrivateFsError};

/// A locked file. Dropping it removes the name, if the name still leads to this file.
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
    /// Claims the name: removes the file that a dead holder left, creates a new file and locks it.
    ///
    /// Fails with `Held` if a live process holds the name.
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
        // The lock is still held, so by rule 1 nobody else removes the name between the check and
        // the removal. If the removal fails, the next sweep finds the file unlocked and removes it.
        if let Ok(true) = leads_to(&self.dir, &self.name, &self.file) {
            let _ = unlinkat(self.dir.fd(), &self.name, AtFlags::empty());
        }
        // Closing the file is not enough, because a child that is being forked may still share the
        // descriptor.
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
        // Another process may have removed this file, and a third may have created a new one.
        if leads_to(dir, name, &fd)? {
            unlinkat(dir.fd(), name, AtFlags::empty())
                .map_err(PrivateFsError::io(Operation::Remove, path()))?;
            return Ok(Holder::None);
        }
    }
}

/// Returns whether a live process holds the name. Changes nothing.
///
/// The probe takes a shared lock, so that two probes do not take each other for a holder. It
/// releases the lock before it closes the file, because a child that is being forked may still
/// share the descriptor.
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

/// Restores the owner's access bits that the umask removed. Group and others have no access,
/// because the file was opened with `0600` (open(2)).
pub(crate) fn restore_owner_access(fd: impl AsFd) -> Result<(), Errno> {
    let stat = fstat(&fd)?;
    if stat.st_mode & FILE_MODE == FILE_MODE {
        return Ok(());
    }
    fchmod(&fd, Mode::from_raw_mode(FILE_MODE))
}

/// Opens with `O_RDWR` because NFS maps an exclusive flock to a write lock (flock(2)), and with
/// `O_NONBLOCK` because opening a FIFO would wait.
fn open_existing(dir: &PrivateDir, name: &str) -> Result<Option<OwnedFd>, PrivateFsError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match openat(dir.fd(), name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(dir, name, errno)),
    };
    match check_removable_file(&fd, &dir.path_of(name)) {
        Ok(_) => Ok(Some(fd)),
        // The holder removed the file after it was opened here.
        Err(PrivateFsError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error for an open that failed because the name leads to something other than a regular file.
pub(crate) fn refused(dir: &PrivateDir, name: &str, errno: Errno) -> PrivateFsError {
    let path = dir.path_of(name);
    match errno {
        Errno::NOENT => PrivateFsError::NotFound { path },
        Errno::LOOP => PrivateFsError::SymbolicLink { path },
        Errno::ISDIR | Errno::NXIO => PrivateFsError::NotRegular { path },
        other => PrivateFsError::io(Operation::Open, path)(other),
    }
}

/// Returns whether the name leads to the open file. The inode number cannot be reused while the
/// file is open.
fn leads_to(dir: &PrivateDir, name: &str, fd: impl AsFd) -> Result<bool, PrivateFsError> {
    let failed = |errno| PrivateFsError::io(Operation::Inspect, dir.path_of(name))(errno);
    let opened = fstat(fd).map_err(failed)?;
    match statat(dir.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}
