//! Who may change a file or what is found under its path.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2},
    io::Errno,
};

use super::{Fault, Service};

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Neither owned nor writable by anybody but root and the service. An access list shows here as well:
/// the group's bits are then the most that any entry of it gives (acl(5)). The sticky bit is no
/// excuse: it keeps others from removing what is there, not from being there first.
pub(super) fn unchangeable(stat: &Stat, path: &Path, service: Service) -> Result<(), Fault> {
    let (path, mode) = (path.display(), stat.st_mode & 0o7777);
    if stat.st_uid != 0 && !service.has(stat.st_uid) {
        return Err(Fault::new(
            format!("{path} belongs to user {}", stat.st_uid),
            format!("chown root {path}"),
        ));
    }
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(Fault::new(
            format!("{path} has mode {mode:04o}: group or others may write"),
            format!("chmod go-w {path}, or move to another folder if it is shared"),
        ));
    }
    Ok(())
}

/// The same for every folder above an open one, up to the root, as they are now: from the descriptor
/// by `..`, so that links and renamed folders make no difference. `path` is for people.
pub(super) fn folders_above(dir: impl AsFd, path: &Path, service: Service) -> Result<(), Fault> {
    let unknown = |path: &Path, errno: Errno| Fault::unknown(&path.display().to_string(), errno);
    let mut stat = fstat(&dir).map_err(|errno| unknown(path, errno))?;
    let mut name = path.to_owned();
    let mut above = parent_of(&dir).map_err(|errno| unknown(path, errno))?;
    loop {
        let child = (stat.st_dev, stat.st_ino);
        stat = fstat(&above).map_err(|errno| unknown(&name, errno))?;
        // Only the root is its own parent.
        if (stat.st_dev, stat.st_ino) == child {
            return Ok(());
        }
        name = name.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        unchangeable(&stat, &name, service)?;
        above = parent_of(&above).map_err(|errno| unknown(&name, errno))?;
    }
}

/// A file that is going to be used by its path, and every folder above it. Nothing about the path may
/// be a link, so that these are all the folders that decide what is found.
pub(super) fn file(path: &Path, service: Service) -> Result<(), Fault> {
    let file = open(path).map_err(|errno| refused(path, errno))?;
    let stat = fstat(&file).map_err(|errno| refused(path, errno))?;
    unchangeable(&stat, path, service)?;
    folder_of(path, service)
}

/// The folder in which a file is or would be, and every one above it.
pub(super) fn folder_of(path: &Path, service: Service) -> Result<(), Fault> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    match open(parent) {
        Ok(dir) => {
            let stat = fstat(&dir).map_err(|errno| refused(parent, errno))?;
            unchangeable(&stat, parent, service)?;
            folders_above(dir, parent, service)
        }
        // Who could make the folder could make the file.
        Err(Errno::NOENT) if parent != path => folder_of(parent, service),
        Err(errno) => Err(refused(parent, errno)),
    }
}

/// `O_PATH` asks for no right to the file itself.
pub(super) fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

pub(super) fn refused(path: &Path, errno: Errno) -> Fault {
    let path = path.display();
    match errno {
        Errno::LOOP => Fault::new(
            format!("{path} leads through a symbolic link"),
            "give the path without symbolic links",
        ),
        errno => Fault::unknown(&path.to_string(), errno),
    }
}

fn parent_of(dir: impl AsFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, "..", flags, Mode::empty())
}
