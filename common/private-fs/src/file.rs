//! Files in a private folder.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::PathBuf,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat_with, unlinkat},
    io::Errno,
};

use crate::{
    check::{FILE_MODE, check_file},
    claim::{Claim, Holder, refused, restore_owner_access, sweep},
    dir::PrivateDir,
    error::{Operation, PrivateFsError},
    name::FileName,
};

#[cfg(test)]
mod tests;

impl PrivateDir {
    /// Creates a file with these contents and mode `0600`, whole and durable, or not at all.
    ///
    /// The contents go to `.NAME.partial`, are synced, and get their name by `renameat2` with
    /// `RENAME_NOREPLACE`; then the folder is synced. A file system without that flag (`EINVAL`,
    /// rename(2)) gets a hard link instead, which does not replace either; if the machine stops
    /// between linking and removing the temporary name, [`read`](Self::read) says `Linked` until
    /// [`remove`](Self::remove) or another `create_new` of the same name sweeps that name.
    ///
    /// The temporary file is locked while its writer lives, so that one left by a dead writer is
    /// removed and one of a live writer is not. On failure neither name remains.
    ///
    /// Fails with `AlreadyExists`, with `Held` if another is creating this very file, or with `Io`
    /// (`ENOSPC`, `EDQUOT`, `EROFS`, `EIO`).
    pub fn create_new(&self, name: &FileName, contents: &[u8]) -> Result<(), PrivateFsError> {
        let partial = Claim::take(self, &name.partial())?;
        let path = || self.path_of(partial.name());
        (&partial.file).write_all(contents).map_err(|source| PrivateFsError::Io {
            operation: Operation::Write,
            path: path(),
            source,
        })?;
        fsync(&partial.file).map_err(PrivateFsError::io(Operation::Sync, path()))?;
        let published = match publish_by_rename(self, &partial, name) {
            Err(Errno::INVAL | Errno::NOSYS) => publish_by_link(self, &partial, name),
            other => other,
        };
        published.map_err(|errno| match errno {
            Errno::EXIST => PrivateFsError::AlreadyExists { path: self.path_of(name.as_str()) },
            other => PrivateFsError::io(Operation::Publish, self.path_of(name.as_str()))(other),
        })?;
        self.sync().inspect_err(|_| {
            // The caller is told that there is no such file, so there must be none.
            let _ = unlinkat(self.fd(), name.as_str(), AtFlags::empty());
        })
    }

    /// The contents of a file of at most `max_len` bytes.
    ///
    /// They are read into one allocation of the file's size, which is never copied, so a caller
    /// that zeroizes the vector has wiped a secret. This crate wipes nothing.
    ///
    /// Fails with `NotFound`, `SymbolicLink`, `NotRegular`, `WrongOwner`, `WrongMode`, `Linked`,
    /// `TooLarge`, or `Io` (`InvalidData` if the size changes meanwhile: these files are written
    /// once).
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

    /// Makes an empty file of mode `0600` if there is none, and checks what is there.
    ///
    /// For libraries that open by path and would create the file with a mode of their own. See
    /// [`check_file_if_present`](Self::check_file_if_present) for the checks and errors. Call it
    /// before the library opens the file.
    pub fn ensure_file(&self, name: &FileName) -> Result<(), PrivateFsError> {
        if self.check_file_if_present(name)? {
            return Ok(());
        }
        let path = || self.path_of(name.as_str());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(FILE_MODE);
        match openat(self.fd(), name.as_str(), flags | OFlags::CLOEXEC, mode) {
            Ok(fd) => {
                restore_owner_access(&fd)
                    .map_err(PrivateFsError::io(Operation::SetMode, path()))?;
                fsync(&fd).map_err(PrivateFsError::io(Operation::Sync, path()))?;
                self.sync()?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(PrivateFsError::io(Operation::Create, path())(errno)),
        }
        if self.check_file_if_present(name)? {
            return Ok(());
        }
        Err(PrivateFsError::NotFound { path: path() })
    }

    /// Returns whether the file exists. If it does, it is a regular file, ours, private, with one
    /// name.
    ///
    /// The descriptor is an `O_PATH` one. Closing any other would drop every fcntl(2) lock that
    /// this process has on the file, among them those of an open database (sqlite.org, "How To
    /// Corrupt An `SQLite` Database File", section 2.2).
    ///
    /// Fails with `SymbolicLink`, `NotRegular`, `WrongOwner`, `WrongMode`, `Linked`, or `Io`.
    pub fn check_file_if_present(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(self.fd(), name.as_str(), flags, Mode::empty()) {
            Ok(fd) => check_file(&fd, &self.path_of(name.as_str())).map(|_| true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(refused(self, name.as_str(), errno)),
        }
    }

    /// Removes the file, and what a dead writer left of it; says whether the file was there.
    ///
    /// The folder is synced in either case, so that an earlier removal cut short is made durable. A
    /// link is removed itself, not what it leads to.
    ///
    /// Fails with `Held` if a live process is creating this file, with `NotRegular` for a folder,
    /// or with `Io`. Only after a failed [`Operation::Sync`] may the name be gone nevertheless.
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

/// link(2) fails with `EEXIST` rather than replace.
fn publish_by_link(dir: &PrivateDir, partial: &Claim, name: &FileName) -> Result<(), Errno> {
    linkat(dir.fd(), partial.name(), dir.fd(), name.as_str(), AtFlags::empty())?;
    unlinkat(dir.fd(), partial.name(), AtFlags::empty()).inspect_err(|_| {
        let _ = unlinkat(dir.fd(), name.as_str(), AtFlags::empty());
    })
}

/// One byte more than expected is asked for, to see that the file ends where `fstat` said.
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
