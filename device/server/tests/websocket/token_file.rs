//! The token file: what it may hold, and which files are refused.

use std::fs::{Permissions, hard_link, write};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use device_key_server::CapabilityToken;

use crate::client::{DEADLINE, TOKEN};

/// A user without an account.
const SOMEBODY: u32 = 61_001;

fn write_private(path: &Path, contents: impl AsRef<[u8]>) {
    write(path, contents).unwrap();
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn refusal(path: &Path) -> &'static str {
    CapabilityToken::read(path).err().map_or("none", |error| error.reason())
}

#[test]
fn the_contents_are_one_line_of_32_to_512_visible_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let long = "x".repeat(512);
    let fits = [TOKEN.to_owned(), format!("{TOKEN}\n"), "!~".repeat(16), format!("{long}\n")];
    for contents in fits {
        write_private(&path, &contents);
        assert_eq!(refusal(&path), "none", "{contents}");
    }
    for contents in [
        String::new(),
        "\n".to_owned(),
        "x".repeat(31),
        format!("{long}x"),
        format!("{long}x\n"),
        long.repeat(1000),
        format!("{TOKEN}\n\n"),
        format!("{TOKEN}\r\n"),
        format!("{TOKEN} {TOKEN}"),
        format!("{TOKEN}\n{TOKEN}"),
        format!("{TOKEN}\u{e9}"),
    ] {
        write_private(&path, &contents);
        assert_eq!(refusal(&path), "malformed", "{contents}");
    }
}

#[test]
fn only_a_private_file_of_this_user_or_root_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(refusal(&path("none")), "not_found");
    assert_eq!(refusal(folder.path()), "not_regular");

    write_private(&path("token"), TOKEN);
    symlink(path("token"), path("link")).unwrap();
    assert_eq!(refusal(&path("link")), "symbolic_link");
    let _socket = UnixListener::bind(path("socket")).unwrap();
    assert_eq!(refusal(&path("socket")), "not_regular");

    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644] {
        set_mode(&path("token"), mode);
        assert_eq!(refusal(&path("token")), "wrong_mode", "{mode:o}");
    }
    set_mode(&path("token"), 0o400);
    assert_eq!(refusal(&path("token")), "none");
    hard_link(path("token"), path("other name")).unwrap();
    assert_eq!(refusal(&path("token")), "none");

    // The tests run as root and could read the file.
    chown(path("token"), Some(SOMEBODY), None).unwrap();
    assert_eq!(refusal(&path("token")), "wrong_owner");
}

#[test]
fn a_fifo_does_not_delay_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let status = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status();
    assert!(status.unwrap().success());
    let (sender, outcome) = mpsc::channel();
    thread::spawn(move || sender.send(refusal(&path)));
    assert_eq!(outcome.recv_timeout(DEADLINE), Ok("not_regular"));
}

#[test]
fn a_token_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    write_private(&path, TOKEN);
    let shown = format!("{:?}", CapabilityToken::read(&path).unwrap());
    assert_eq!(shown, "CapabilityToken(..)");
    write_private(&path, format!("{TOKEN} "));
    let error = CapabilityToken::read(&path).err().unwrap();
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}
