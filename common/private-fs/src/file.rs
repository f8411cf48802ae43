//! Files in a private folder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use crate::check::{FILE_MODE, check_file};
use crate::claim::{Claim, Holder, refused, restore_owner_access, sweep};
use crate::dir::PrivateDir;
use crate::error::{Operation, PrivateFsError};
use crate::name::FileName;

#[cfg(test)]
mod tests;

/// How often a file that another process removes and creates at the same time is looked at again.
const ATTEMPTS: usize = 16;

impl PrivateDir {
    /// Creates a file with these contents and mode `0600`. Either the whole file is created and
    /// durable, or no file is created.
    ///
    /// The contents are written to `.NAME.partial` and synced. `renameat2` with `RENAME_NOREPLACE`
    /// then gives the file its name, and the folder is synced. On a file system without that flag
    /// (`EINVAL`, rename(2)), a hard link gives the file its name; a link does not replace a file
    /// either. If the machine stops after the link was made and before the temporary name was
    /// removed, [`read`](Self::read) fails with `Linked` until [`remove`](Self::remove) or another
    /// `create_new` of this name removes the temporary name.
    ///
    /// The temporary file is locked while its writer lives. So the temporary file of a dead writer
    /// can be removed without touching that of a live writer. On failure neither name remains.
    ///
    /// Fails with `AlreadyExists`, with `Held` if another writer is creating this file, or with
    /// `Io` (`ENOSPC`, `EDQUOT`, `EROFS`, `EIO`).
    pub fn create_new(&self, name: &FileName, contents: &[u8]) -> Result<(), PrivateFsError> {
        let partial = self.write_partial(name, contents)?;
        let published = match publish_by_rename(self, &partial, name) {
            Err(Errno::INVAL | Errno::NOSYS) => publish_by_link(self, &partial, name),
            other => other,
        };
        published.map_err(|errno| match errno {
            Errno::EXIST => PrivateFsError::AlreadyExists { path: self.path_of(name.as_str()) },
            other => PrivateFsError::io(Operation::Publish, self.path_of(name.as_str()))(other),
        })?;
        self.sync().inspect_err(|_| {
            // The caller is told that the file does not exist, so the file must be removed.
            let _ = unlinkat(self.fd(), name.as_str(), AtFlags::empty());
        })
    }

    /// Replaces a file, or creates it if it does not exist. At any time, also after a crash, the
    /// file has either the old contents or these contents. See [`create_new`](Self::create_new) for
    /// the temporary file.
    ///
    /// Fails with `Held` if another writer is creating this file, or with `Io`.
    pub fn replace(&self, name: &FileName, contents: &[u8]) -> Result<(), PrivateFsError> {
        let partial = self.write_partial(name, contents)?;
        renameat(self.fd(), partial.name(), self.fd(), name.as_str())
            .map_err(PrivateFsError::io(Operation::Publish, self.path_of(name.as_str())))?;
        self.sync()
    }

    /// Writes the contents to the file's temporary name, and makes them durable.
    fn write_partial(&self, name: &FileName, contents: &[u8]) -> Result<Claim, PrivateFsError> {
        let partial = Claim::take(self, &name.partial())?;
        let path = || self.path_of(partial.name());
        (&partial.file).write_all(contents).map_err(|source| PrivateFsError::Io {
            operation: Operation::Write,
            path: path(),
            source,
        })?;
        fsync(&partial.file).map_err(PrivateFsError::io(Operation::Sync, path()))?;
        Ok(partial)
    }

    /// Reads a file of at most `max_len` bytes.
    ///
    /// The contents are read into one allocation of the file's size, which is never copied. So a
    /// caller that zeroizes the vector has wiped the secret. This crate does not wipe anything.
    ///
    /// Fails with `NotFound`, `SymbolicLink`, `NotRegular`, `WrongOwner`, `WrongMode`, `Linked`,
    /// `TooLarge`, or `Io` (`InvalidData` if the size changes while the file is read, because these
    /// files are written once).
    pub fn read(&self, name: &FileName, max_len: usize) -> Result<Vec<u8>, PrivateFsError> {
        let path = self.path_of(name.as_str());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(self.fd(), name.as_str(), flags, Mode::empty())
            .map_err(|errno| refused(self, name.as_str(), errno))?;
        let found = u64::try_from(check_file(&fd, &path)?.st_size).unwrap_or(u64::MAX);
        match usize::try_from(found) {
            Ok(length) if length <= max_len => read_exactly(fd, length, path),
            _ => Err(PrivateFsError::TooLarge { path, found, max: max_len }),
        }
    }

    /// Creates an empty file with mode `0600` if the file does not exist, and checks a file that
    /// exists.
    ///
    /// Call this before a library opens the file by its path, because the library would create the
    /// file with a mode of its own. See [`check_file_if_present`](Self::check_file_if_present) for
    /// the checks and errors. Fails with `NotFound` if others keep creating and removing the file.
    pub fn ensure_file(&self, name: &FileName) -> Result<(), PrivateFsError> {
        let path = || self.path_of(name.as_str());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(FILE_MODE);
        for _ in 0..ATTEMPTS {
            if self.check_file_if_present(name)? {
                return Ok(());
            }
            match openat(self.fd(), name.as_str(), flags | OFlags::CLOEXEC, mode) {
                Ok(fd) => {
                    restore_owner_access(&fd)
                        .map_err(PrivateFsError::io(Operation::SetMode, path()))?;
                    fsync(&fd).map_err(PrivateFsError::io(Operation::Sync, path()))?;
                    return self.sync();
                }
                // Somebody else has just created the file, and may remove it again.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(PrivateFsError::io(Operation::Create, path())(errno)),
            }
        }
        Err(PrivateFsError::NotFound { path: path() })
    }

    /// Returns whether the file exists. A file that exists is a private regular file of the
    /// effective user with one name, or the method fails. A file that is removed during the check
    /// does not exist.
    ///
    /// The file is opened with `O_PATH`. Closing any other kind of descriptor would release every
    /// fcntl(2) lock that this process has on the file, such as the locks of an open database
    /// (sqlite.org, "How To Corrupt An `SQLite` Database File", section 2.2).
    ///
    /// Fails with `SymbolicLink`, `NotRegular`, `WrongOwner`, `WrongMode`, `Linked`, or `Io`.
    pub fn check_file_if_present(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let checked = openat(self.fd(), name.as_str(), flags, Mode::empty())
            .map_err(|errno| refused(self, name.as_str(), errno))
            .and_then(|fd| check_file(&fd, &self.path_of(name.as_str())));
        match checked {
            Ok(_) => Ok(true),
            Err(PrivateFsError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the file, and the temporary file that a dead writer left. Returns whether the file
    /// existed.
    ///
    /// The folder is synced in either case, so that an earlier removal that was interrupted becomes
    /// durable. If the name is a link, the link is removed and its target stays.
    ///
    /// Fails with `Held` if a live process is creating this file, with `NotRegular` for a folder,
    /// or with `Io`. If [`Operation::Sync`] failed, the name may already be gone. After any other
    /// error the name remains.
    pub fn remove(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        let path = || self.path_of(name.as_str());
        if sweep(self, &name.partial())? == Holder::Alive {
            return Err(PrivateFsError::Held { path: path() });
        }
        let was_there = match unlinkat(self.fd(), name.as_str(), AtFlags::empty()) {
            Ok(()) => true,
            Err(Errno::NOENT) => false,
            Err(Errno::ISDIR) => return Err(PrivateFsError::NotRegular { path: path() }),
            Err(errno) => return Err(PrivateFsError::io(Operation::Remove, path())(errno)),
        };
        self.sync()?;
        Ok(was_there)
    }
}

fn publish_by_rename(dir: &PrivateDir, partial: &Claim, name: &FileName) -> Result<(), Errno> {
    let (from, to) = (partial.name(), name.as_str());
    renameat_with(dir.fd(), from, dir.fd(), to, RenameFlags::NOREPLACE)
}

/// link(2) does not replace an existing file: it fails with `EEXIST`.
fn publish_by_link(dir: &PrivateDir, partial: &Claim, name: &FileName) -> Result<(), Errno> {
    linkat(dir.fd(), partial.name(), dir.fd(), name.as_str(), AtFlags::empty())?;
    unlinkat(dir.fd(), partial.name(), AtFlags::empty()).inspect_err(|_| {
        let _ = unlinkat(dir.fd(), name.as_str(), AtFlags::empty());
    })
}

/// Reads up to one byte more than expected, to see that the file ends where `fstat` said.
fn read_exactly(fd: OwnedFd, length: usize, path: PathBuf) -> Result<Vec<u8>, PrivateFsError> {
    let failed = |source| PrivateFsError::Io { operation: Operation::Read, path, source };
    let mut contents = vec![0; length.saturating_add(1)];
    let mut file = File::from(fd);
    let mut filled = 0;
    while let Some(rest) = contents.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if filled != length {
        let changed = "the size changed while it was read";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, changed)));
    }
    contents.truncate(length);
    Ok(contents)
}
