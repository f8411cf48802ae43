//! The conditions on the files in the key folder.
//!
//! A file is verified when it is first seen, and again when the kernel reports a change of it
//! (inotify(7)). So a check costs as much as the changes since the last check, whatever the number
//! of keys. Other processes that create keys in the folder cause the same reports. If the kernel
//! had more reports than its queue holds, or gives no reports, every file is verified again.
//!
//! The kernel does not report a hard link that root or the service itself makes in another folder.
//! Such a link is found when the key is loaded.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use device_key_private_fs::{FileName, PrivateDir, PrivateFsError};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::conditions::report::Fault;
use crate::key_file;

/// The changes after which a file is verified again. A file that is removed needs no verification.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);

/// The reports after which the queue does not tell about all changes.
const LOST: ReadFlags =
    ReadFlags::QUEUE_OVERFLOW.union(ReadFlags::IGNORED).union(ReadFlags::UNMOUNT);

/// The files of one folder that still have to be verified.
#[derive(Debug, Default)]
pub(crate) struct KeyFiles {
    /// The queue of the kernel's reports. `None` if there are no reports.
    reports: Option<OwnedFd>,
    /// The files that were not verified since they changed, and those that failed.
    unverified: BTreeSet<FileName>,
}

/// What is wrong with the files: the gravest fault of each kind.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) not_private: Option<Fault>,
    pub(super) imported: Option<Fault>,
}

impl KeyFiles {
    /// Verifies the files that changed since the last check, and those that failed it.
    pub(super) fn check(&mut self, keys: &PrivateDir) -> Faults {
        if let Err(error) = self.note_changes(keys) {
            let fault = fault_of(keys, error);
            return Faults { not_private: Some(fault.clone()), imported: Some(fault) };
        }
        let mut faults = Faults::default();
        self.unverified.retain(|name| match verify(keys, name, &mut faults) {
            Ok(()) => false,
            Err((known, fault)) => {
                if known.as_ref().is_none_or(Fault::is_transient) {
                    *known = Some(fault);
                }
                true
            }
        });
        faults
    }

    /// Adds the files that changed to those that are not verified.
    fn note_changes(&mut self, keys: &PrivateDir) -> Result<(), PrivateFsError> {
        if self.reports.as_ref().is_some_and(|queue| read_reports(queue, &mut self.unverified)) {
            return Ok(());
        }
        // The reports begin before the files are listed, so that no change falls in between.
        let reports = watch(keys).ok();
        self.reports = None;
        self.unverified.extend(keys.list()?);
        self.reports = reports;
        Ok(())
    }
}

/// Asks the kernel to report the changes in this folder. The folder is named by its descriptor,
/// because its path may lead to another folder.
fn watch(keys: &PrivateDir) -> Result<OwnedFd, Errno> {
    let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let folder = format!("/proc/self/fd/{}", keys.as_fd().as_raw_fd());
    inotify::add_watch(&queue, folder, CHANGES)?;
    Ok(queue)
}

/// Adds the names of the files that changed. Returns whether these are all changes.
fn read_reports(queue: &OwnedFd, changed: &mut BTreeSet<FileName>) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reports = inotify::Reader::new(queue, &mut buffer);
    loop {
        match reports.next() {
            Ok(report) if report.events().intersects(LOST) => return false,
            Ok(report) => {
                let name = report.file_name().and_then(|name| name.to_str().ok());
                // Other names, such as those of files that are being written, are never used.
                changed.extend(name.and_then(|name| name.parse().ok()));
            }
            Err(Errno::INTR) => {}
            Err(error) => return error == Errno::AGAIN,
        }
    }
}

/// Verifies one file. A file that does not exist any more has no fault. On failure, this returns
/// the fault and the place for faults of its kind.
fn verify<'a>(
    keys: &PrivateDir,
    name: &FileName,
    faults: &'a mut Faults,
) -> Result<(), (&'a mut Option<Fault>, Fault)> {
    let Faults { not_private, imported } = faults;
    match keys.check_file_if_present(name) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(error) => return Err((not_private, fault_of(keys, error))),
    }
    let Some(key_id) = key_file::key_id(name) else { return Ok(()) };
    match keys.read(name, key_file::MAX_FILE_BYTES).map(Zeroizing::new) {
        Ok(file) if key_file::is_imported(&key_id, &file) => {
            let path = keys.path().join(name.as_str());
            let found =
                format!("{} holds a key that this service did not generate", path.display());
            Err((imported, Fault::new(found, format!("remove {}", path.display()))))
        }
        Err(error) if error.is_transient() => Err((not_private, fault_of(keys, error))),
        // A file that is damaged or cannot be read is never used. It concerns only its own key,
        // which is lost.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn fault_of(keys: &PrivateDir, error: PrivateFsError) -> Fault {
    match error {
        PrivateFsError::WrongOwner { path, found, .. } => Fault::new(
            format!("{} belongs to user {found}", path.display()),
            format!("chown {0} to the service's user, or remove {0}", path.display()),
        ),
        PrivateFsError::WrongMode { path, found, expected } => Fault::new(
            format!("{} has mode {found:04o}", path.display()),
            format!("chmod {expected:04o} {}", path.display()),
        ),
        PrivateFsError::Io { path, source, .. } => {
            Fault::unknown(&path.display().to_string(), source)
        }
        error => Fault::new(
            error.to_string(),
            format!("remove this file from {}", keys.path().display()),
        ),
    }
}
