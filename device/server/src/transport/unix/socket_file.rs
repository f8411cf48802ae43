//! The file of a Unix socket: made under a lock, owned while the service lives, removed in the end.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use device_key_private_fs::trusted::{ROOT, TrustPolicy, WRITABLE_BY_OTHERS};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, chmodat, flock, fstat, mkdirat, openat,
    statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::geteuid;

use super::error::UnixSocketError;

/// How many connections may wait to be accepted: `SOMAXCONN` (listen(2)).
const BACKLOG: i32 = 4096;

/// Who may connect. The permission bits of the socket and of its folder enforce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// Every user of the machine may connect. The socket gets mode 0666. If its folder has to be
    /// made, the folder gets mode 0755. The kernel tells which user connects, and each user has
    /// keys of their own.
    Everybody,
    /// Only the service's own user may connect. The socket gets mode 0600. If its folder has to be
    /// made, the folder gets mode 0700.
    OwnUser,
}

impl SocketMode {
    const fn of_socket(self) -> u32 {
        match self {
            Self::Everybody => 0o666,
            Self::OwnUser => 0o600,
        }
    }

    const fn of_folder(self) -> u32 {
        match self {
            Self::Everybody => 0o755,
            Self::OwnUser => 0o700,
        }
    }
}

/// The file of a socket that we made. Dropping it removes the file, if the name still leads to our
/// socket, and then releases the lock.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    folder: OwnedFd,
    /// Device and inode.
    identity: (u64, u64),
    _lock: OwnedFd,
}

impl SocketFile {
    /// Makes the socket and listens.
    pub(super) fn create(
        path: &Path,
        mode: SocketMode,
    ) -> Result<(OwnedFd, Self), UnixSocketError> {
        let invalid = || UnixSocketError::InvalidPath { path: path.to_owned() };
        let name = path.file_name().ok_or_else(invalid)?;
        let folder = open_folder(path.parent().ok_or_else(invalid)?, mode)?;
        let lock = lock(&folder, name, path)?;
        remove_stale(&folder, name, path)?;

        let failed = |step| move |errno: Errno| io_error(step, path, errno);
        let address = SocketAddrUnix::new(path).map_err(failed("name"))?;
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(failed("make"))?;
        bind(&socket, &address).map_err(failed("bind"))?;
        // The socket gets its mode before it listens, so no other user can ever connect.
        chmodat(&folder, name, Mode::from_raw_mode(mode.of_socket()), AtFlags::empty())
            .map_err(failed("set the mode of"))?;
        let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("inspect"))?;
        let identity = (stat.st_dev, stat.st_ino);
        let file = Self { path: path.to_owned(), folder, identity, _lock: lock };
        listen(&socket, BACKLOG).map_err(failed("listen on"))?;
        Ok((socket, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some(name) = self.path.file_name() else { return };
        let is_ours = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity);
        if is_ours {
            // If this fails, the next start finds a stale socket and replaces it.
            let _ = unlinkat(&self.folder, name, AtFlags::empty());
        }
    }
}

fn open_folder(path: &Path, mode: SocketMode) -> Result<OwnedFd, UnixSocketError> {
    let failed = |step| move |errno: Errno| io_error(step, path, errno);
    let is_new = match mkdirat(CWD, path, Mode::from_raw_mode(mode.of_folder())) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(io_error("make", path, errno)),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty()).map_err(failed("open"))?;
    if is_new {
        // The umask may have taken bits away.
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode.of_folder()))
            .map_err(failed("set the mode of"))?;
    }
    let stat = fstat(&folder).map_err(failed("inspect"))?;
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: WRITABLE_BY_OTHERS };
    policy.judge(stat.st_uid, stat.st_mode).map_err(|_| UnixSocketError::UnsafeFolder {
        path: path.to_owned(),
        owner: stat.st_uid,
        mode: stat.st_mode & 0o7777,
    })?;
    Ok(folder)
}

/// Locks a file beside the socket. The file stays when the service ends, because removing it could
/// remove the lock of a successor that has just taken it.
fn lock(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, UnixSocketError> {
    let mut lock_name = name.to_owned();
    lock_name.push(".lock");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(folder, lock_name, flags, Mode::from_raw_mode(0o600))
        .map_err(|errno| io_error("make the lock of", path, errno))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(UnixSocketError::InUse { path: path.to_owned() }),
        Err(errno) => Err(io_error("lock", path, errno)),
    }
}

/// Removes a socket that nobody listens on. The lock is held, so no other instance of this service
/// listens on the socket, but another program may.
fn remove_stale(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), UnixSocketError> {
    let failed = |step| move |errno: Errno| io_error(step, path, errno);
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(io_error("inspect", path, errno)),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
            return Err(UnixSocketError::NotSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(failed("make"))?;
    let address = SocketAddrUnix::new(path).map_err(failed("name"))?;
    match connect(&probe, &address) {
        Err(Errno::CONNREFUSED) => {
            unlinkat(folder, name, AtFlags::empty()).map_err(failed("remove"))
        }
        Err(Errno::NOENT) => Ok(()),
        // The probe was accepted, or the queue is full, or the socket is of another type: some
        // program listens there.
        _ => Err(UnixSocketError::InUse { path: path.to_owned() }),
    }
}

fn io_error(step: &'static str, path: &Path, errno: Errno) -> UnixSocketError {
    UnixSocketError::Io { step, path: path.to_owned(), source: io::Error::from(errno) }
}
