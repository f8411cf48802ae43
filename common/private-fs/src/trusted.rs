//! Files that nobody but trusted users can have written, such as configuration and token files.
//!
//! The caller passes the policy: a [`TrustPolicy`] says who is trusted, and a [`PathRule`] says how
//! much of the path is checked besides the file. Everything is checked on open descriptors, and a
//! file is read from the descriptor that was checked.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{self, Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;
use thiserror::Error;

use crate::error::is_transient;

#[cfg(test)]
mod tests;

/// The user id of root.
pub const ROOT: u32 = 0;
/// The permission bits that let group or others write. If an access list (acl(5)) lets other users
/// write, the group's write bit is set too, because the group bits then show the list's mask.
pub const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The permission bits that let group or others read, write or execute.
pub const OPEN_TO_OTHERS: u32 = 0o077;

const PERMISSIONS: u32 = 0o7777;

/// How often a file that is replaced while it is opened is looked at again.
const ATTEMPTS: usize = 16;

/// Who may own a file or folder, and which permission bits it must not have.
#[derive(Clone, Copy, Debug)]
pub struct TrustPolicy<'a> {
    /// The user ids of the trusted owners. An owner can change the contents and the mode.
    pub owners: &'a [u32],
    /// [`WRITABLE_BY_OTHERS`] or [`OPEN_TO_OTHERS`]. The sticky bit makes no difference: it keeps
    /// others from removing our file, but they could create a file of this name before we do.
    pub forbidden: u32,
}

/// How much of a path is checked besides the file that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// Nothing is checked besides the file. Links are followed, and the file may be of any type,
    /// for instance a pipe.
    FollowLinks,
    /// The last component must be a regular file, not a link to one.
    RegularFile,
    /// The last component must be a regular file with one hard link, no component may be a link,
    /// and every folder above the file must be trusted too.
    TrustedFolders,
}

/// Why a file or folder is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Mistrust {
    /// The path contains a link, and the folders to which the link leads were not checked.
    #[error("is a symbolic link, which is not followed")]
    SymbolicLink,
    /// The path leads to a folder, FIFO, socket or device.
    #[error("is not a regular file")]
    NotRegular,
    /// The file can be reached, and so changed, by another name.
    #[error("has more than one hard link")]
    Linked,
    /// The file or folder does not belong to a trusted user.
    #[error("belongs to user {found}, who is neither root nor the user of this process")]
    Owner {
        /// The user id of the owner.
        found: u32,
    },
    /// Group or others have access that the policy forbids.
    #[error("has mode {found:04o}, which gives others too much access")]
    Mode {
        /// The permission bits (`07777`).
        found: u32,
    },
    /// The file is larger than the caller accepts.
    #[error("has {found} bytes, which is too large")]
    TooLarge {
        /// The size of the file in bytes.
        found: u64,
    },
}

/// Why a file was not read, or a path is not trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// Somebody else could have written the file, or could lead us to another file.
    #[error("{} {mistrust}", path.display())]
    Untrusted {
        /// The file, or the folder above it.
        path: PathBuf,
        /// What is wrong with it.
        mistrust: Mistrust,
    },
    /// The operating system refused to open or read the file.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file, or the folder above it.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
}

impl TrustError {
    /// Whether the file, or a folder above it, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the same call may succeed in a moment. See [`is_transient`].
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_transient(source))
    }

    fn untrusted(path: &Path) -> impl FnOnce(Mistrust) -> Self {
        move |mistrust| Self::Untrusted { path: path.to_owned(), mistrust }
    }

    fn io(path: &Path) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Io { path: path.to_owned(), source: errno.into() }
    }
}

impl TrustPolicy<'_> {
    /// Checks an owner and a mode as fstat(2) reports them.
    pub fn judge(&self, owner: u32, mode: u32) -> Result<(), Mistrust> {
        if !self.owners.contains(&owner) {
            return Err(Mistrust::Owner { found: owner });
        }
        if mode & self.forbidden != 0 {
            return Err(Mistrust::Mode { found: mode & PERMISSIONS });
        }
        Ok(())
    }

    /// Reads a file of at most `max_bytes`.
    ///
    /// The contents are read into one allocation, which is never copied, so a caller that zeroizes
    /// the vector has wiped a secret.
    pub fn read(
        &self,
        path: &Path,
        rule: PathRule,
        max_bytes: usize,
    ) -> Result<Vec<u8>, TrustError> {
        let failed = |source| TrustError::Io { path: path.to_owned(), source };
        let (file, stat) = match rule {
            PathRule::FollowLinks => self.judged(File::open(path).map_err(failed)?.into(), path)?,
            PathRule::RegularFile => {
                self.judged(open_regular(CWD, path.as_os_str(), path)?, path)?
            }
            PathRule::TrustedFolders => self.open_in_trusted_folders(path)?,
        };
        // The file may grow while it is read, so the limit applies to the bytes that are read, not
        // to the size that was reported.
        let limit = max_bytes.saturating_add(1);
        let mut contents = Vec::with_capacity(limit);
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        File::from(file).take(limit).read_to_end(&mut contents).map_err(failed)?;
        if contents.len() > max_bytes {
            let found = u64::try_from(stat.st_size).unwrap_or(u64::MAX).max(limit);
            return Err(TrustError::untrusted(path)(Mistrust::TooLarge { found }));
        }
        Ok(contents)
    }

    /// Opens a regular file with one hard link, and checks the file and every folder above it.
    ///
    /// A file without a hard link was replaced or removed after it was opened, so the path is
    /// looked at again.
    fn open_in_trusted_folders(&self, path: &Path) -> Result<(OwnedFd, Stat), TrustError> {
        let path = path::absolute(path)
            .map_err(|source| TrustError::Io { path: path.to_owned(), source })?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(TrustError::untrusted(&path)(Mistrust::NotRegular));
        };
        for _ in 0..ATTEMPTS {
            let (file, stat) =
                self.judged(open_regular(self.judge_path(folder)?, name, &path)?, &path)?;
            match stat.st_nlink {
                0 => {}
                1 => return Ok((file, stat)),
                _ => return Err(TrustError::untrusted(&path)(Mistrust::Linked)),
            }
        }
        Err(TrustError::io(&path)(Errno::NOENT))
    }

    /// Checks a file or folder and every folder above it, from the root down. Returns the file or
    /// folder opened with `O_PATH`. No component may be a link.
    ///
    /// If a component does not exist, every folder above it was checked, and
    /// [`TrustError::is_not_found`] returns true for the error.
    pub fn judge_path(&self, path: &Path) -> Result<OwnedFd, TrustError> {
        let failed = |source| TrustError::Io { path: path.to_owned(), source };
        let path = path::absolute(path).map_err(failed)?;
        let mut walked = PathBuf::from("/");
        let (mut opened, _) = self.open_judged(CWD, walked.as_os_str(), &walked)?;
        let below_root =
            |part: &Component<'_>| !matches!(part, Component::RootDir | Component::CurDir);
        for component in path.components().filter(below_root) {
            walked.push(component);
            (opened, _) = self.open_judged(&opened, component.as_os_str(), &walked)?;
        }
        Ok(opened)
    }

    /// Checks every folder above an open folder, up to the root, as the folders are now.
    ///
    /// The folders are reached from the descriptor by `..`, so links and renamed folders make no
    /// difference. `path` is only for messages.
    pub fn judge_folders_above(&self, folder: impl AsFd, path: &Path) -> Result<(), TrustError> {
        let above = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let (up, mut path) = (OsStr::new(".."), above(path));
        let mut child = fstat(&folder).map_err(TrustError::io(&path))?;
        let (mut opened, mut stat) = self.open_judged(folder, up, &path)?;
        // Only the root is its own parent.
        while (stat.st_dev, stat.st_ino) != (child.st_dev, child.st_ino) {
            (child, path) = (stat, above(&path));
            (opened, stat) = self.open_judged(&opened, up, &path)?;
        }
        Ok(())
    }

    /// Opens with `O_PATH`, which needs no permission for the file itself, and checks owner and
    /// mode.
    fn open_judged(
        &self,
        folder: impl AsFd,
        name: &OsStr,
        path: &Path,
    ) -> Result<(OwnedFd, Stat), TrustError> {
        let opened = open_at(folder, name, OFlags::PATH).map_err(TrustError::io(path))?;
        self.judged(opened, path)
    }

    fn judged(&self, opened: OwnedFd, path: &Path) -> Result<(OwnedFd, Stat), TrustError> {
        let stat = fstat(&opened).map_err(TrustError::io(path))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(TrustError::untrusted(path)(Mistrust::SymbolicLink));
        }
        self.judge(stat.st_uid, stat.st_mode).map_err(TrustError::untrusted(path))?;
        Ok((opened, stat))
    }
}

/// Opens a regular file for reading. The type is checked with `O_PATH` first, because opening a
/// FIFO or a device for reading has effects; `O_NONBLOCK` covers a FIFO that is put there after the
/// check.
fn open_regular(folder: impl AsFd, name: &OsStr, path: &Path) -> Result<OwnedFd, TrustError> {
    let open = |flags| {
        let opened = open_at(&folder, name, flags).map_err(TrustError::io(path))?;
        let stat = fstat(&opened).map_err(TrustError::io(path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(opened),
            FileType::Symlink => Err(TrustError::untrusted(path)(Mistrust::SymbolicLink)),
            _ => Err(TrustError::untrusted(path)(Mistrust::NotRegular)),
        }
    };
    open(OFlags::PATH)?;
    open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

fn open_at(folder: impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
