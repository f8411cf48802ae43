//! Tests of the trust rules that the callers of this crate do not test themselves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;

use rustix::process::geteuid;
use tempfile::tempdir;

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mistrust<T>(result: Result<T, TrustError>) -> Option<(PathBuf, Mistrust)> {
    match result {
        Ok(_) => None,
        Err(TrustError::Untrusted { path, mistrust }) => Some((path, mistrust)),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn the_owner_is_checked_before_the_mode() {
    let policy = TrustPolicy { owners: &[ROOT, 7], forbidden: WRITABLE_BY_OTHERS };
    for (owner, mode, expected) in [
        (7, 0o100_644, Ok(())),
        (ROOT, 0o040_755, Ok(())),
        (8, 0o100_666, Err(Mistrust::Owner { found: 8 })),
        (7, 0o101_664, Err(Mistrust::Mode { found: 0o1664 })),
        (7, 0o041_777, Err(Mistrust::Mode { found: 0o1777 })),
    ] {
        assert_eq!(policy.judge(owner, mode), expected, "{owner} {mode:o}");
    }
    let private = TrustPolicy { forbidden: OPEN_TO_OTHERS, ..policy };
    assert_eq!(private.judge(7, 0o100_640), Err(Mistrust::Mode { found: 0o640 }));
}

/// The temporary folder may be writable by everyone, so every owner and mode is trusted here.
#[test]
fn each_path_rule_refuses_the_links_it_names() {
    let scratch = tempdir().unwrap();
    let (folder, link) = (scratch.path().join("folder"), scratch.path().join("link"));
    fs::create_dir(&folder).unwrap();
    symlink(&folder, &link).unwrap();
    fs::write(folder.join("file"), "text").unwrap();
    symlink("file", folder.join("link")).unwrap();
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: 0 };
    let read = |path: &Path, rule| mistrust(policy.read(path, rule, 4));
    let is_link = |path: &Path| Some((path.to_owned(), Mistrust::SymbolicLink));
    let (last, above) = (folder.join("link"), link.join("file"));
    for (rule, of_last, of_above) in [
        (PathRule::FollowLinks, None, None),
        (PathRule::RegularFile, is_link(&last), None),
        (PathRule::TrustedFolders, is_link(&last), is_link(&link)),
    ] {
        assert_eq!(read(&last, rule), of_last, "{rule:?}");
        assert_eq!(read(&above, rule), of_above, "{rule:?}");
        assert_eq!(read(&folder.join("file"), rule), None, "{rule:?}");
    }
}

#[test]
fn every_folder_above_is_checked_by_path_and_by_descriptor() {
    let scratch = tempdir().unwrap();
    let (upper, lower) = (scratch.path().join("upper"), scratch.path().join("upper/lower"));
    fs::create_dir_all(&lower).unwrap();
    set_mode(&upper, 0o705);
    // Others may write in the temporary folder, so the test forbids another bit instead.
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: 0o2000 };
    let judge = || {
        let by_path = mistrust(policy.judge_path(&lower));
        let opened = File::open(&lower).unwrap();
        let above = mistrust(policy.judge_folders_above(&opened, &lower));
        assert_eq!(by_path, above);
        above
    };
    assert_eq!(judge(), None);
    set_mode(&upper, 0o2705);
    assert_eq!(judge(), Some((upper, Mistrust::Mode { found: 0o2705 })));
}

/// Cargo runs tests in the folder of the package.
#[test]
fn a_relative_path_is_resolved_from_the_working_directory() {
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: 0 };
    let manifest = Path::new("Cargo.toml");
    assert!(policy.read(manifest, PathRule::TrustedFolders, 64 * 1024).is_ok());
}

#[test]
fn a_file_larger_than_the_limit_is_refused() {
    let scratch = tempdir().unwrap();
    let path = scratch.path().join("file");
    fs::write(&path, "four").unwrap();
    let policy = TrustPolicy { owners: &[geteuid().as_raw()], forbidden: OPEN_TO_OTHERS };
    set_mode(&path, 0o600);
    let read = |max_bytes| policy.read(&path, PathRule::RegularFile, max_bytes);
    assert_eq!(read(4).unwrap(), b"four");
    assert_eq!(mistrust(read(3)), Some((path.clone(), Mistrust::TooLarge { found: 4 })));
    fs::remove_file(&path).unwrap();
    assert!(read(4).unwrap_err().is_not_found());
}

/// An editor or a package replaces a file by renaming a new file over it.
#[test]
fn a_file_that_is_replaced_while_it_is_opened_is_looked_at_again() {
    let scratch = tempdir().unwrap();
    let (file, next) = (scratch.path().join("file"), scratch.path().join("next"));
    fs::write(&file, "text").unwrap();
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: 0 };
    thread::scope(|scope| {
        let replacing = scope.spawn(|| {
            for _ in 0..3000 {
                fs::write(&next, "text").unwrap();
                fs::rename(&next, &file).unwrap();
            }
        });
        while !replacing.is_finished() {
            let read = policy.read(&file, PathRule::TrustedFolders, 4);
            assert_eq!(read.unwrap(), b"text");
        }
    });
}
