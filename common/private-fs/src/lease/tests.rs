//! Tests of leases.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::child;

fn home() -> (TempDir, PrivateDir, FileName) {
    let scratch = tempdir().unwrap();
    let home = PrivateDir::open_or_create(&scratch.path().join("lock")).unwrap();
    (scratch, home, "lease".parse().unwrap())
}

fn reason<T>(result: Result<T, PrivateFsError>) -> &'static str {
    result.map_or_else(|error| error.reason(), |_| "ok")
}

#[test]
fn a_lease_excludes_other_callers_in_this_process_until_it_is_dropped() {
    let (_scratch, home, name) = home();
    assert!(!home.is_leased(&name).unwrap());
    let lease = home.lease(&name).unwrap();
    assert_eq!(lease.name(), &name);
    assert!(home.is_leased(&name).unwrap());
    assert_eq!(reason(home.lease(&name)), "held");
    assert_eq!(home.break_lease(&name).unwrap(), LeaseState::Held);
    assert!(home.path().join("lease").exists());
    drop(lease);
    assert!(home.list().unwrap().is_empty());
    assert!(!home.is_leased(&name).unwrap());
    drop(home.lease(&name).unwrap());
}

#[test]
fn a_lease_excludes_other_processes_and_ends_when_its_holder_is_killed() {
    let (_scratch, home, name) = home();
    let mut holder = child::command("lease::tests::child_holds_a_lease", home.path(), "lease")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(said.map_while(Result::ok).any(|line| line.contains("lease is held")));

    assert!(home.is_leased(&name).unwrap());
    assert_eq!(reason(home.lease(&name)), "held");
    assert_eq!(home.break_lease(&name).unwrap(), LeaseState::Held);

    holder.kill().unwrap();
    assert_eq!(holder.wait().unwrap().signal(), Some(9));
    assert!(home.path().join("lease").exists(), "a killed holder removes nothing");
    assert!(!home.is_leased(&name).unwrap());
    assert!(home.path().join("lease").exists(), "is_leased removes nothing");
    assert_eq!(home.break_lease(&name).unwrap(), LeaseState::Free);
    assert!(!home.path().join("lease").exists());
}

#[test]
#[ignore = "runs in a process of its own, which is killed"]
fn child_holds_a_lease() {
    let Some((folder, name)) = child::given() else { return };
    let home = PrivateDir::open(&folder).unwrap();
    let _lease = home.lease(&name.parse().unwrap()).unwrap();
    println!("\nlease is held");
    let mut until_the_parent_ends = Vec::new();
    std::io::stdin().read_to_end(&mut until_the_parent_ends).unwrap();
}

#[test]
fn the_lease_of_a_dead_holder_is_taken_over() {
    let (_scratch, home, name) = home();
    let path = home.path().join("lease");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let _lease = home.lease(&name).unwrap();
    assert!(home.is_leased(&name).unwrap());
}

#[test]
fn concurrent_checks_of_a_dead_lease_never_report_it_as_held() {
    let (_scratch, home, name) = home();
    let path = home.path().join("lease");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..5000).for_each(|_| assert!(!home.is_leased(&name).unwrap())));
        }
    });
}

#[test]
fn a_file_that_is_not_a_lease_is_refused_and_not_changed() {
    let (_scratch, home, name) = home();
    let path = home.path().join("lease");
    symlink("target", &path).unwrap();
    assert_eq!(reason(home.lease(&name)), "symbolic_link");
    assert_eq!(reason(home.break_lease(&name)), "symbolic_link");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(reason(home.lease(&name)), "wrong_mode");
    assert_eq!(reason(home.is_leased(&name)), "wrong_mode");
    assert_eq!(reason(home.break_lease(&name)), "wrong_mode");
    assert!(path.exists());
}

#[test]
fn dropping_a_lease_does_not_remove_a_replaced_file() {
    let (_scratch, home, name) = home();
    let lease = home.lease(&name).unwrap();
    fs::remove_file(home.path().join("lease")).unwrap();
    fs::write(home.path().join("lease"), "another").unwrap();
    drop(lease);
    assert!(home.path().join("lease").exists());
}

/// Threads take and sweep one name at once. There are never two holders, and the file of a holder
/// always has its name.
#[test]
fn sweepers_never_take_a_lease_from_its_holder() {
    let (_scratch, home, name) = home();
    let (holders, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let Ok(lease) = home.lease(&name) else { continue };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    taken.fetch_add(1, Ordering::SeqCst);
                    assert!(home.is_leased(&name).unwrap());
                    assert_eq!(home.break_lease(&name).unwrap(), LeaseState::Held);
                    holders.fetch_sub(1, Ordering::SeqCst);
                    drop(lease);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..4000 {
                    home.break_lease(&name).unwrap();
                    home.is_leased(&name).unwrap();
                }
            });
        }
    });
    assert!(taken.load(Ordering::SeqCst) > 0);
    assert!(home.list().unwrap().is_empty());
}
