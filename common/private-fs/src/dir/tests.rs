//! Tests of private folders.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::umask;
use tempfile::tempdir;

use super::*;
use crate::child;

/// A user other than root and the user of the tests. It needs no account.
const STRANGER: u32 = 65_533;

fn reason<T>(result: Result<T, PrivateFsError>) -> &'static str {
    result.map_or_else(|error| error.reason(), |_| "ok")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn missing_folders_are_created_with_mode_0700() {
    let scratch = tempdir().unwrap();
    let path = scratch.path().join("a/b/home");
    assert_eq!(reason(PrivateDir::open(&path)), "not_found");
    let home = PrivateDir::open_or_create(&path).unwrap();
    home.subdir(&"keys".parse().unwrap()).unwrap();
    for folder in ["a", "a/b", "a/b/home", "a/b/home/keys"] {
        assert_eq!(mode(&scratch.path().join(folder)), 0o700, "{folder}");
    }
    assert_eq!(PrivateDir::open(&path).unwrap().path(), home.path());
}

#[test]
fn files_and_folders_have_the_expected_modes_under_any_umask() {
    for mask in ["0", "027", "377"] {
        let scratch = tempdir().unwrap();
        let test = "dir::tests::child_creates_under_umask";
        child::assert_passed(&child::command(test, scratch.path(), mask).output().unwrap());
    }
}

#[test]
#[ignore = "runs in a process of its own, because the umask is the process's"]
fn child_creates_under_umask() {
    let Some((folder, mask)) = child::given() else { return };
    umask(Mode::from_raw_mode(u32::from_str_radix(&mask, 8).unwrap()));
    let home = PrivateDir::open_or_create(&folder.join("above/home")).unwrap();
    let keys = home.subdir(&"keys".parse().unwrap()).unwrap();
    keys.create_new(&"key".parse().unwrap(), b"k").unwrap();
    keys.ensure_file(&"database".parse().unwrap()).unwrap();
    let _lease = keys.lease(&"lease".parse().unwrap()).unwrap();
    assert_eq!(mode(&folder.join("above")), 0o700);
    assert_eq!(mode(home.path()), 0o700);
    assert_eq!(mode(keys.path()), 0o700);
    for file in ["key", "database", "lease"] {
        assert_eq!(mode(&keys.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn links_above_are_followed_and_a_last_component_that_is_a_link_is_refused() {
    let scratch = tempdir().unwrap();
    let real = scratch.path().join("real");
    let home = PrivateDir::open_or_create(&real.join("home")).unwrap();
    symlink(&real, scratch.path().join("link")).unwrap();
    symlink(real.join("home"), real.join("link")).unwrap();
    symlink("nowhere", real.join("dangling")).unwrap();

    let by_link = PrivateDir::open(&scratch.path().join("link/home")).unwrap();
    assert_eq!(by_link.path(), home.path());
    assert_eq!(by_link.path(), canonicalize(real.join("home")).unwrap());
    for path in ["link", "link/", "link/.", "dangling"] {
        assert_eq!(reason(PrivateDir::open(&real.join(path))), "symbolic_link", "{path}");
        assert_eq!(reason(PrivateDir::open_or_create(&real.join(path))), "symbolic_link", "{path}");
    }
    let above = PrivateDir::open(&real).unwrap();
    assert_eq!(reason(above.subdir(&"link".parse().unwrap())), "symbolic_link");
}

#[test]
fn any_mode_other_than_0700_is_refused_and_both_modes_are_named() {
    let scratch = tempdir().unwrap();
    let path = scratch.path().join("home");
    PrivateDir::open_or_create(&path).unwrap();
    for wrong in [0o750, 0o701, 0o720, 0o1777, 0o600, 0o500] {
        set_mode(&path, wrong);
        match PrivateDir::open_or_create(&path) {
            Err(PrivateFsError::WrongMode { path: at, found, expected }) => {
                assert_eq!((at, found, expected), (path.clone(), wrong, 0o700));
            }
            other => assert!(other.is_err() && mode(&path) & 0o400 == 0, "{wrong:o}: {other:?}"),
        }
        assert_eq!(mode(&path), wrong, "nothing is repaired");
    }
    set_mode(&path, 0o700);
    assert_eq!(reason(PrivateDir::open(&path)), "ok");
}

#[test]
fn a_folder_of_another_owner_is_refused() {
    let scratch = tempdir().unwrap();
    let me = rustix::process::geteuid().as_raw();
    // Only root can change a folder's owner. Other users test with /usr, which root owns.
    let (path, owner) = if me == 0 {
        let path = scratch.path().join("home");
        PrivateDir::open_or_create(&path).unwrap();
        chown(&path, Some(STRANGER), None).unwrap();
        (path, STRANGER)
    } else {
        (PathBuf::from("/usr"), fs::metadata("/usr").unwrap().uid())
    };
    match PrivateDir::open_or_create(&path) {
        Err(PrivateFsError::WrongOwner { found, expected, .. }) => {
            assert_eq!((found, expected), (owner, me));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_in_place_of_a_folder_is_reported() {
    let scratch = tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(reason(PrivateDir::open(&file)), "not_directory");
    assert_eq!(reason(PrivateDir::open_or_create(&file)), "not_directory");
    assert_eq!(reason(PrivateDir::open_or_create(&file.join("home"))), "not_directory");
    for path in ["/", "", "..", "missing/.."] {
        assert_eq!(reason(PrivateDir::open_or_create(Path::new(path))), "invalid_path", "{path}");
    }
    let climbing = scratch.path().join("missing/../home");
    assert_eq!(reason(PrivateDir::open_or_create(&climbing)), "invalid_path");
    assert!(!scratch.path().join("missing").exists());
}

#[test]
fn a_folder_above_without_access_is_reported_with_the_operation() {
    let scratch = tempdir().unwrap();
    set_mode(scratch.path(), 0o755);
    let closed = scratch.path().join("closed");
    fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o555);
    // The child runs a copy, because it may have no access to the folders above the test binary.
    let binary = scratch.path().join("binary");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    set_mode(&binary, 0o755);

    let mut command = Command::new(&binary);
    command.args(child::arguments("dir::tests::child_cannot_create"));
    child::prepare(&mut command, &closed, "");
    command.current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(STRANGER);
    }
    child::assert_passed(&command.output().unwrap());
}

#[test]
#[ignore = "runs in a process of its own, which gives up being root"]
fn child_cannot_create() {
    let Some((closed, _)) = child::given() else { return };
    match PrivateDir::open_or_create(&closed.join("home")) {
        Err(PrivateFsError::Io { operation, path, source }) => {
            assert_eq!(operation, Operation::Create);
            assert_eq!(path, canonicalize(&closed).unwrap().join("home"));
            assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_descriptor_still_leads_to_the_folder_after_a_rename() {
    let scratch = tempdir().unwrap();
    let path = scratch.path().join("home");
    let home = PrivateDir::open_or_create(&path).unwrap();
    fs::rename(&path, scratch.path().join("moved")).unwrap();
    fs::create_dir(&path).unwrap();
    home.create_new(&"key".parse().unwrap(), b"k").unwrap();
    assert!(scratch.path().join("moved/key").exists());
    assert!(!path.join("key").exists());
}

#[test]
fn the_list_is_sorted_and_leaves_out_names_that_are_not_file_names() {
    let scratch = tempdir().unwrap();
    let home = PrivateDir::open_or_create(&scratch.path().join("home")).unwrap();
    let mut expected: Vec<String> = (0..40).map(|n| format!("key-{}", n * 7919 % 97)).collect();
    for name in &expected {
        home.create_new(&name.parse().unwrap(), b"").unwrap();
    }
    home.subdir(&"folder".parse().unwrap()).unwrap();
    expected.push("folder".to_owned());
    fs::write(home.path().join(".key-1.partial"), "").unwrap();
    fs::write(home.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
    expected.sort();
    let listed = home.list().unwrap();
    assert_eq!(listed.iter().map(FileName::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(home.list().unwrap(), listed, "a second listing starts from the beginning");
}
