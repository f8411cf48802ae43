//! The conditions on the key folder, its file system and the files in it.

use std::path::Path;

use device_key_private_fs::trusted::OPEN_TO_OTHERS;
use device_key_private_fs::{FileName, PrivateDir, PrivateFsError};
use device_key_types::DeviceKeyId;
use rustix::fs::{fstat, fstatfs};
use zeroize::Zeroizing;

use crate::conditions::report::Fault;
use crate::conditions::service_user::ServiceUser;
use crate::key_file;

/// The accepted file systems: the kernel itself stores the owner and mode of each file and enforces
/// both. Every other file system is refused. vfat, exfat and ntfs do not store owners. FUSE, 9p,
/// NFS and SMB leave the check to a program or to another machine. ramfs and hugetlbfs are not
/// meant for files like keys. The numbers come from `linux/magic.h` and from the headers of the
/// file systems.
const ENFORCING: [(u64, &str); 9] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x2405_1905, "ubifs"),
    (0x0102_1994, "tmpfs"),
    // Containers use overlayfs. It takes owners from the upper layer, whose file system must store
    // attributes.
    (0x794C_7630, "overlayfs"),
];

pub(super) fn file_system(keys: &PrivateDir) -> Result<String, Fault> {
    let path = keys.path().display();
    let magic = fstatfs(keys)
        .map_err(|errno| Fault::unknown(&path.to_string(), errno))?
        .f_type
        .cast_unsigned();
    match name_of(magic) {
        Some(name) => Ok(format!("{path} is on {name}")),
        None => Err(Fault::new(
            format!("{path} is on a file system of type {magic:#x}"),
            "keep the keys on a local file system that enforces owners, for example ext4",
        )),
    }
}

pub(super) fn ancestors(keys: &PrivateDir, service: ServiceUser) -> Result<String, Fault> {
    service.policy().judge_folders_above(keys, keys.path())?;
    Ok(format!("only root and the service can write above {}", keys.path().display()))
}

/// Checks the folder itself. It was private when it was opened, but may have been changed since.
pub(super) fn folder(keys: &PrivateDir, service: ServiceUser) -> Result<String, Fault> {
    let path = keys.path();
    let stat = fstat(keys).map_err(|errno| Fault::unknown(&path.display().to_string(), errno))?;
    if !service.has(stat.st_uid) || stat.st_mode & OPEN_TO_OTHERS != 0 {
        return Err(not_private(path, stat.st_uid, stat.st_mode & 0o7777, "0700"));
    }
    Ok(format!("{} is private", path.display()))
}

/// Checks that every file in the folder is private.
pub(super) fn files(keys: &PrivateDir) -> Result<String, Fault> {
    let unknown = |error| Fault::unknown(&keys.path().display().to_string(), error);
    let names = keys.list().map_err(unknown)?;
    for name in &names {
        // A file that was deleted after the listing is not an error.
        keys.check_file_if_present(name).map_err(|error| match error {
            PrivateFsError::WrongOwner { path, found, .. } => Fault::new(
                format!("{} belongs to user {found}", path.display()),
                format!("chown {0} to the service's user, or remove {0}", path.display()),
            ),
            PrivateFsError::WrongMode { path, found, expected } => Fault::new(
                format!("{} has mode {found:04o}", path.display()),
                format!("chmod {expected:04o} {}", path.display()),
            ),
            error => Fault::new(
                error.to_string(),
                format!("remove this file from {}", keys.path().display()),
            ),
        })?;
    }
    Ok(format!("{} and its {} files are private", keys.path().display(), names.len()))
}

/// Checks the contents of the key files. A damaged file is not reported here, because it concerns
/// only its own key, which is lost.
pub(super) fn imported(keys: &PrivateDir) -> Result<String, Fault> {
    let names = keys.list().map_err(|error| Fault::unknown("the key folder", error))?;
    for (name, key_id) in names.iter().filter_map(|name| Some((name, key_file::key_id(name)?))) {
        if is_imported(keys, name, &key_id) {
            let path = keys.path().join(name.as_str());
            return Err(Fault::new(
                format!("{} holds a key that this service did not generate", path.display()),
                format!("remove {}", path.display()),
            ));
        }
    }
    Ok("this service generated every key".into())
}

/// Whether the file holds an imported key. A file that cannot be read is never used, so this
/// function returns false for it.
fn is_imported(keys: &PrivateDir, name: &FileName, key_id: &DeviceKeyId) -> bool {
    keys.read(name, key_file::MAX_FILE_BYTES)
        .is_ok_and(|file| key_file::is_imported(key_id, &Zeroizing::new(file)))
}

fn not_private(path: &Path, owner: u32, mode: u32, expected: &str) -> Fault {
    let path = path.display();
    Fault::new(
        format!("{path} belongs to user {owner} and has mode {mode:04o}"),
        format!("chown {path} to the service's user, and chmod {expected} {path}"),
    )
}

fn name_of(magic: u64) -> Option<&'static str> {
    ENFORCING.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers come from `linux/magic.h` and statfs(2).
    #[test]
    fn file_systems_that_do_not_enforce_owners_are_refused() {
        for (magic, name) in [
            (0x4D44, "vfat"),
            (0x2011_BAB0, "exfat"),
            (0x5346_544E, "ntfs"),
            (0x7366_746E, "ntfs3"),
            (0x6573_5546, "fuse"),
            (0x0102_1997, "9p"),
            (0x6969, "nfs"),
            (0xFF53_4D42, "cifs"),
            (0xFE53_4D42, "smb2"),
            (0x786F_4256, "vboxsf"),
            (0x8584_58F6, "ramfs"),
        ] {
            assert_eq!(name_of(magic), None, "{name}");
        }
        assert_eq!(name_of(0xEF53), Some("ext4"));
    }
}
