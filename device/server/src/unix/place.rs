//! The name of a socket: taken while its service lives, and given back when it ends.

use std::{
    ffi::OsStr,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, chmodat, flock, fstat, mkdirat,
        openat, statat, unlinkat,
    },
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    },
    process::geteuid,
};

use super::{SocketMode, UnixSocketError};

/// Connections that wait to be accepted: `SOMAXCONN` (listen(2)).
const BACKLOG: i32 = 4096;
const WRITABLE_BY_OTHERS: u32 = 0o022;

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

/// A socket of ours in the file system. Dropping it removes the name, if it still leads to our
/// socket, and then gives the lock back.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    folder: OwnedFd,
    socket: (u64, u64),
    _lock: OwnedFd,
}

impl Place {
    /// Takes the place and listens there.
    pub(super) fn take(path: &Path, mode: SocketMode) -> Result<(OwnedFd, Self), UnixSocketError> {
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
        // Not before it has its mode does it listen.
        chmodat(&folder, name, Mode::from_raw_mode(mode.of_socket()), AtFlags::empty())
            .map_err(failed("set the mode of"))?;
        let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("inspect"))?;
        let place =
            Self { path: path.to_owned(), folder, socket: (stat.st_dev, stat.st_ino), _lock: lock };
        listen(&socket, BACKLOG).map_err(failed("listen on"))?;
        Ok((socket, place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(name) = self.path.file_name() else { return };
        let is_ours = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.socket);
        if is_ours {
            // Were it to fail, the next start would find a stale socket.
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
        // What the umask took away.
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode.of_folder()))
            .map_err(failed("set the mode of"))?;
    }
    let stat = fstat(&folder).map_err(failed("inspect"))?;
    let has_safe_owner = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    if !has_safe_owner || stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(UnixSocketError::UnsafeFolder {
            path: path.to_owned(),
            owner: stat.st_uid,
            mode: stat.st_mode & 0o7777,
        });
    }
    Ok(folder)
}

/// The lock's file stays when the service ends: removing it could take the name from under a
/// successor that has just locked it.
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

/// With the lock in our hands no service of ours lives there, but a program of another kind may.
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
        // It is connected to, or its queue is full, or it is of another type: somebody is there.
        _ => Err(UnixSocketError::InUse { path: path.to_owned() }),
    }
}

fn io_error(step: &'static str, path: &Path, errno: Errno) -> UnixSocketError {
    UnixSocketError::Io { step, path: path.to_owned(), source: io::Error::from(errno) }
}
