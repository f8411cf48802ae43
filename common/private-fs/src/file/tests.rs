//! Tests of files in a private folder.

use std::fs::{self, Permissions, hard_link};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, thread};

use rustix::fs::{CWD, FileType, FlockOperation, fcntl_lock, mknodat};
use rustix::process::geteuid;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::check::check_removable_file;
use crate::child;

/// Enough rounds that a check without the rule for removed files fails in each run.
const ROUNDS: usize = 300;

fn home() -> (TempDir, PrivateDir) {
    let scratch = tempdir().unwrap();
    let home = PrivateDir::open_or_create(&scratch.path().join("home")).unwrap();
    (scratch, home)
}

fn name(text: &str) -> FileName {
    text.parse().unwrap()
}

fn reason<T>(result: Result<T, PrivateFsError>) -> &'static str {
    result.map_or_else(|error| error.reason(), |_| "ok")
}

/// Every entry of the folder, also the entries that `list` leaves out.
fn entries(dir: &PrivateDir) -> Vec<String> {
    let names = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Asserts that reading, checking and ensuring the file all fail for the expected reason.
fn assert_refused(dir: &PrivateDir, file: &FileName, expected: &str) {
    assert_eq!(reason(dir.read(file, 100)), expected, "read {file}");
    assert_eq!(reason(dir.check_file_if_present(file)), expected, "check {file}");
    assert_eq!(reason(dir.ensure_file(file)), expected, "ensure {file}");
}

#[test]
fn a_new_file_is_complete_and_private_and_replaces_no_file() {
    let (_scratch, home) = home();
    let key = name("key");
    home.create_new(&key, b"first").unwrap();
    let metadata = fs::metadata(home.path().join("key")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 1));
    assert_eq!(reason(home.create_new(&key, b"second")), "already_exists");
    assert_eq!(home.read(&key, 5).unwrap(), b"first");
    assert_eq!(entries(&home), ["key"]);
}

#[test]
fn without_renameat2_a_hard_link_names_the_file_and_replaces_no_file() {
    let (_scratch, home) = home();
    let key = name("key");
    let partial = Claim::take(&home, &key.partial()).unwrap();
    publish_by_link(&home, &partial, &key).unwrap();
    assert_eq!(entries(&home), ["key"]);
    drop(partial);
    assert_eq!(home.read(&key, 5).unwrap(), b"");

    let partial = Claim::take(&home, &key.partial()).unwrap();
    assert_eq!(publish_by_link(&home, &partial, &key), Err(Errno::EXIST));
    drop(partial);
    assert_eq!(entries(&home), ["key"]);
}

#[test]
fn a_file_is_replaced_at_once_by_a_new_one() {
    let (_scratch, home) = home();
    let key = name("key");
    home.replace(&key, b"first").unwrap();
    let reader = File::open(home.path().join("key")).unwrap();
    home.replace(&key, b"second").unwrap();
    assert_eq!(home.read(&key, 6).unwrap(), b"second");
    assert_eq!(io::read_to_string(reader).unwrap(), "first", "the old file is not written to");
    assert!(home.check_file_if_present(&key).unwrap());
    assert_eq!(entries(&home), ["key"]);
    // On failure the file stays and nothing else remains.
    fs::create_dir(home.path().join("folder")).unwrap();
    assert_eq!(reason(home.replace(&name("folder"), b"third")), "io");
    assert_eq!(entries(&home), ["folder", "key"]);
}

#[test]
fn the_temporary_file_of_a_dead_writer_is_removed() {
    let (_scratch, home) = home();
    let (key, stale) = (name("key"), home.path().join(".key.partial"));
    let leave = || {
        fs::write(&stale, "longer than what comes next").unwrap();
        fs::set_permissions(&stale, Permissions::from_mode(0o600)).unwrap();
    };
    leave();
    home.create_new(&key, b"whole").unwrap();
    assert_eq!(home.read(&key, 100).unwrap(), b"whole");
    leave();
    assert!(home.remove(&key).unwrap());
    assert_eq!(entries(&home), [""; 0]);
    assert!(!home.remove(&key).unwrap());
}

/// Opens a file, removes it and only then checks it, as a check does that loses a race.
#[test]
fn a_file_that_is_removed_between_its_opening_and_its_check_is_not_found() {
    let (_scratch, home) = home();
    for mode in [0o600, 0o644] {
        let path = home.path().join("key");
        fs::write(&path, "k").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for flags in [OFlags::PATH, OFlags::RDONLY] {
            let again = home.path().join("again");
            fs::copy(&path, &again).unwrap();
            let opened = openat(home.fd(), "again", flags | OFlags::CLOEXEC, Mode::empty());
            fs::remove_file(&again).unwrap();
            let opened = opened.unwrap();
            assert_eq!(reason(check_file(&opened, &again)), "not_found", "{mode:o}");
            assert_eq!(reason(check_removable_file(&opened, &again)), "not_found", "{mode:o}");
        }
    }
}

#[test]
fn a_check_that_races_removals_never_finds_a_fault() {
    let (_scratch, home) = home();
    let (key, lease) = (name("key"), name("lease"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let done = home.ensure_file(&key).and_then(|()| home.remove(&key));
                let leased = home.lease(&lease).map(drop);
                if done.is_err() || leased.is_err() {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let read = home.read(&key, 10).map(drop);
            assert!(read.is_ok() || reason(read) == "not_found");
            assert_eq!(reason(home.check_file_if_present(&key)), "ok");
            assert_eq!(reason(home.ensure_file(&key)), "ok");
            assert_eq!(reason(home.is_leased(&lease)), "ok");
        }
    });
}

#[test]
fn the_next_creation_cleans_up_after_an_interrupted_link() {
    let (_scratch, home) = home();
    let key = name("key");
    home.create_new(&key, b"whole").unwrap();
    hard_link(home.path().join("key"), home.path().join(".key.partial")).unwrap();
    assert_eq!(reason(home.read(&key, 100)), "linked");
    assert_eq!(reason(home.create_new(&key, b"other")), "already_exists");
    assert_eq!(home.read(&key, 100).unwrap(), b"whole");
}

#[test]
fn the_temporary_file_of_a_live_writer_stays() {
    let (_scratch, home) = home();
    let key = name("key");
    let writer = Claim::take(&home, &key.partial()).unwrap();
    assert_eq!(reason(home.create_new(&key, b"k")), "held");
    assert_eq!(reason(home.remove(&key)), "held");
    assert_eq!(entries(&home), [".key.partial"]);
    drop(writer);
    home.create_new(&key, b"k").unwrap();
}

#[test]
fn exactly_one_of_many_writers_creates_the_file_with_its_own_contents() {
    let (_scratch, home) = home();
    for round in 0..20 {
        let key = name(&format!("key-{round}"));
        let start = Barrier::new(4);
        let won: Vec<u8> = thread::scope(|scope| {
            let writers: Vec<_> = (0..4_u8)
                .map(|writer| {
                    let (home, key, start) = (&home, &key, &start);
                    scope.spawn(move || {
                        start.wait();
                        let result = home.create_new(key, &[writer; 5000]);
                        (writer, reason(result))
                    })
                })
                .collect();
            let results = writers.into_iter().map(|writer| writer.join().unwrap());
            results
                .inspect(|(_, reason)| assert!(["ok", "held", "already_exists"].contains(reason)))
                .filter_map(|(writer, reason)| (reason == "ok").then_some(writer))
                .collect()
        });
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(home.read(&key, 5000).unwrap(), [won[0]; 5000]);
    }
    assert_eq!(entries(&home).len(), 20);
}

#[test]
fn a_failed_write_leaves_no_file() {
    let (_scratch, home) = home();
    // While SIGXFSZ is ignored, write(2) beyond the limit fails with EFBIG. The child inherits the
    // ignored signal across exec.
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#]);
    command.arg(env::current_exe().unwrap());
    command.args(child::arguments("file::tests::child_writes_too_much"));
    child::prepare(&mut command, home.path(), "");
    child::assert_passed(&command.output().unwrap());
    assert_eq!(entries(&home), [""; 0]);
}

#[test]
#[ignore = "runs in a process of its own, which may write small files only"]
fn child_writes_too_much() {
    let Some((folder, _)) = child::given() else { return };
    let home = PrivateDir::open(&folder).unwrap();
    match home.create_new(&name("key"), &vec![0; 100_000]) {
        Err(PrivateFsError::Io { operation, path, source }) => {
            assert_eq!(operation, Operation::Write);
            assert_eq!(path, home.path().join(".key.partial"));
            assert_eq!(source.raw_os_error(), Some(Errno::FBIG.raw_os_error()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_larger_than_the_caller_allows_is_refused() {
    let (_scratch, home) = home();
    let key = name("key");
    home.create_new(&key, &[7; 1000]).unwrap();
    assert_eq!(home.read(&key, 1000).unwrap(), [7; 1000]);
    match home.read(&key, 999) {
        Err(PrivateFsError::TooLarge { found, max, .. }) => assert_eq!((found, max), (1000, 999)),
        other => panic!("{other:?}"),
    }
    assert_eq!(reason(home.read(&name("other"), 1000)), "not_found");
}

#[test]
fn links_folders_and_fifos_are_refused() {
    let (_scratch, home) = home();
    home.create_new(&name("key"), b"k").unwrap();
    symlink("key", home.path().join("symbolic")).unwrap();
    symlink("nowhere", home.path().join("dangling")).unwrap();
    assert_refused(&home, &name("symbolic"), "symbolic_link");
    assert_refused(&home, &name("dangling"), "symbolic_link");
    assert!(!home.path().join("nowhere").exists());

    home.subdir(&name("folder")).unwrap();
    assert_refused(&home, &name("folder"), "not_regular");
    assert_eq!(reason(home.remove(&name("folder"))), "not_regular");
    let mode = Mode::from_raw_mode(FILE_MODE);
    mknodat(CWD, home.path().join("fifo"), FileType::Fifo, mode, 0).unwrap();
    assert_refused(&home, &name("fifo"), "not_regular");

    hard_link(home.path().join("key"), home.path().join("hard")).unwrap();
    assert_refused(&home, &name("key"), "linked");
    assert_refused(&home, &name("hard"), "linked");
    assert!(home.remove(&name("symbolic")).unwrap());
    assert!(home.path().join("key").exists());
}

#[test]
fn a_file_open_to_others_is_refused_and_both_modes_are_named() {
    let (_scratch, home) = home();
    let key = name("key");
    home.create_new(&key, b"k").unwrap();
    for wrong in [0o640, 0o604, 0o620, 0o610] {
        fs::set_permissions(home.path().join("key"), Permissions::from_mode(wrong)).unwrap();
        assert_refused(&home, &key, "wrong_mode");
        match home.read(&key, 1) {
            Err(PrivateFsError::WrongMode { found, expected, .. }) => {
                assert_eq!((found, expected), (wrong, 0o600));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let (_scratch, home) = home();
    let key = name("key");
    home.create_new(&key, b"k").unwrap();
    let path = home.path().join("key");
    // Only root can create a file of another owner. Without root, the test only checks that a file
    // of our own is accepted.
    let stranger = geteuid().as_raw() + 1;
    if chown(&path, Some(stranger), None).is_ok() {
        assert_refused(&home, &key, "wrong_owner");
    } else {
        assert_eq!(fs::metadata(&path).unwrap().uid(), geteuid().as_raw());
        assert_eq!(home.read(&key, 1).unwrap(), b"k");
    }
}

#[test]
fn ensure_file_creates_an_empty_private_file_once() {
    let (_scratch, home) = home();
    let database = name("state.sqlite");
    assert!(!home.check_file_if_present(&database).unwrap());
    home.ensure_file(&database).unwrap();
    assert_eq!(fs::metadata(home.path().join("state.sqlite")).unwrap().mode() & 0o7777, 0o600);
    fs::write(home.path().join("state.sqlite"), "rows").unwrap();
    home.ensure_file(&database).unwrap();
    assert!(home.check_file_if_present(&database).unwrap());
    assert_eq!(home.read(&database, 4).unwrap(), b"rows");
}

#[test]
fn checking_a_file_keeps_the_record_locks_of_this_process() {
    let (_scratch, home) = home();
    home.ensure_file(&name("database")).unwrap();
    let database =
        File::options().read(true).write(true).open(home.path().join("database")).unwrap();
    fcntl_lock(&database, FlockOperation::NonBlockingLockExclusive).unwrap();
    home.ensure_file(&name("database")).unwrap();
    assert!(home.check_file_if_present(&name("database")).unwrap());
    let test = "file::tests::child_finds_the_record_lock";
    child::assert_passed(&child::command(test, home.path(), "").output().unwrap());
}

#[test]
#[ignore = "runs in a process of its own, because fcntl locks do not exclude their own process"]
fn child_finds_the_record_lock() {
    let Some((folder, _)) = child::given() else { return };
    let database = File::options().read(true).write(true).open(folder.join("database")).unwrap();
    let taken = fcntl_lock(&database, FlockOperation::NonBlockingLockExclusive);
    assert!(matches!(taken, Err(Errno::AGAIN | Errno::ACCESS)), "{taken:?}");
}
