//! The conditions on the key folder, its file system and the folders above it.

use std::path::Path;

use device_key_private_fs::PrivateDir;
use device_key_private_fs::trusted::OPEN_TO_OTHERS;
use rustix::fs::{fstat, fstatfs};

use crate::conditions::report::Fault;
use crate::conditions::service_user::ServiceUser;

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
pub(super) fn folder(keys: &PrivateDir, service: ServiceUser) -> Result<(), Fault> {
    let path = keys.path();
    let stat = fstat(keys).map_err(|errno| Fault::unknown(&path.display().to_string(), errno))?;
    if !service.has(stat.st_uid) || stat.st_mode & OPEN_TO_OTHERS != 0 {
        return Err(not_private(path, stat.st_uid, stat.st_mode & 0o7777, "0700"));
    }
    Ok(())
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
