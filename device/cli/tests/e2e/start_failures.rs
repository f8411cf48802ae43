//! When the home cannot be used, the program says so, changes nothing, and ends with exit code 3.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;

use crate::home::Home;
use crate::program::{ABSENT, on, run};

const STATE_UNUSABLE: Option<i32> = Some(3);
const NOT_AS_EXPECTED: Option<i32> = Some(1);
/// A user id without an account.
const OTHER_UID: &str = "64999";

fn assert_unusable(output: &Output) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (STATE_UNUSABLE, &b""[..]), "{log}");
    assert!(!log.is_empty(), "the log says why");
}

fn assert_refused(home: &Path) {
    assert_unusable(&run(&mut on("app-server", home, ABSENT)));
    let doctor = run(on("doctor", home, ABSENT).arg("--json"));
    assert_eq!(doctor.status.code(), NOT_AS_EXPECTED);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A home on which a server has run.
fn used() -> Home {
    let home = Home::new();
    home.recover();
    home
}

#[test]
fn a_home_that_others_can_look_into() {
    for wide in [0o755, 0o750, 0o711, 0o1777] {
        let home = Home::new();
        fs::create_dir(home.path()).unwrap();
        set_mode(&home.path(), wide);
        assert_refused(&home.path());
        assert_eq!(mode(&home.path()), wide, "the mode is left as it was");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_home_that_is_not_a_folder() {
    let home = used();
    let link = home.beside("link");
    symlink(home.path(), &link).unwrap();
    assert_refused(&link);
    symlink(home.beside("nowhere"), home.beside("dangling")).unwrap();
    assert_refused(&home.beside("dangling"));
    let file = home.beside("file");
    fs::write(&file, "untouched").unwrap();
    assert_refused(&file);
    assert_refused(&file.join("below"));
    assert_eq!(fs::read(&file).unwrap(), b"untouched");
    assert!(!home.beside("nowhere").exists());
    assert_refused(Path::new("/"));
}

#[test]
fn folders_in_the_home_that_are_open_to_others_or_links() {
    for folder in ["keys", "keys/tpm"] {
        let home = used();
        let path = home.path().join(folder);
        set_mode(&path, 0o755);
        assert_refused(&home.path());
        assert_eq!(mode(&path), 0o755);
        set_mode(&path, 0o700);
        let moved = home.beside("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        assert_refused(&home.path());
    }
}

/// Makes a database unusable with `spoil`. The program must refuse it and leave it unchanged.
fn assert_database_refused(spoil: impl FnOnce(&Path)) {
    let home = used();
    let path = home.database();
    spoil(&path);
    let as_it_was = (fs::read(&path).unwrap(), mode(&path));
    assert_refused(&home.path());
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), as_it_was);
}

#[test]
fn a_database_that_others_can_read() {
    assert_database_refused(|path| set_mode(path, 0o644));
}

#[test]
fn a_database_of_a_newer_version() {
    assert_database_refused(|path| {
        let database = Connection::open(path).unwrap();
        database.pragma_update(None, "user_version", 99).unwrap();
        // Closing the database writes the write-ahead log back into the file.
        database.close().unwrap();
    });
}

#[test]
fn a_file_that_is_not_a_database() {
    assert_database_refused(|path| fs::write(path, "not a database, but long enough").unwrap());
    assert_database_refused(|path| fs::write(path, vec![0x5a; 8192]).unwrap());
    assert_database_refused(|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[..16].copy_from_slice(b"sqlite format 4\0");
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_database_that_is_a_link() {
    let home = used();
    let elsewhere = home.beside("elsewhere.sqlite");
    fs::rename(home.database(), &elsewhere).unwrap();
    symlink(&elsewhere, home.database()).unwrap();
    let as_it_was = fs::read(&elsewhere).unwrap();
    assert_refused(&home.path());
    fs::remove_file(home.database()).unwrap();
    fs::hard_link(&elsewhere, home.database()).unwrap();
    assert_refused(&home.path());
    assert_eq!(fs::read(&elsewhere).unwrap(), as_it_was);
}

/// The program as a user who is not root and who can reach the home.
fn as_other_user(home: &Home, target: &Path) -> Command {
    let program = home.beside("device-key");
    if !program.exists() {
        crate::service::install(Path::new(env!("CARGO_BIN_EXE_device-key")), &program);
        set_mode(program.parent().unwrap(), 0o755);
    }
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root { Command::new("setpriv") } else { Command::new(&program) };
    if is_root {
        command.args(["--reuid", OTHER_UID, "--regid", OTHER_UID, "--clear-groups"]).arg(&program);
    }
    // The environment of the tests must not affect the other user.
    command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    command.args(["app-server", "--tpm", ABSENT, "--home"]).arg(target);
    command
}

#[test]
fn a_home_that_this_user_cannot_write() {
    let home = Home::new();
    let closed = home.beside("closed");
    fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o555);
    assert_unusable(&run(&mut as_other_user(&home, &closed.join("home"))));
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
    // The user can use a home of its own, so the program itself can be run.
    let open = home.beside("open");
    fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    let output = run(&mut as_other_user(&home, &open.join("home")));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_home_of_another_user() {
    let home = used();
    if rustix::process::geteuid().is_root() {
        assert_unusable(&run(&mut as_other_user(&home, &home.path())));
        rustix::fs::chown(
            home.path(),
            Some(rustix::fs::Uid::from_raw(OTHER_UID.parse().unwrap())),
            None,
        )
        .unwrap();
        assert_refused(&home.path());
    } else {
        assert_refused(Path::new("/root"));
    }
}
