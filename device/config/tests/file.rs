//! Tests which configuration files are accepted, with a real file system and real users.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test cannot set up fails the test")]

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use device_key_config::{Config, ConfigError, ConfigFile, InvalidConfig};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

/// Two users. Neither needs an account.
const SERVICE: u32 = 61_001;
const STRANGER: u32 = 61_002;

/// A folder that only root can change. This is true of every folder above it too, so the folder is
/// not in `/tmp`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("device-key-test-").tempdir_in("/run").unwrap();
        set_mode(folder.path(), 0o755);
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o755);
        path
    }

    /// Writes a configuration that differs from the default.
    fn write(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, "home = \"/somewhere\"\n").unwrap();
        set_mode(&path, 0o644);
        path
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
}

/// Loads the file. Returns `ok`, `absent` or the code of the error.
fn outcome(file: &ConfigFile) -> String {
    match file.load() {
        Ok(Some(config)) => {
            assert_ne!(config, Config::default());
            "ok".to_owned()
        }
        Ok(None) => "absent".to_owned(),
        Err(error) => {
            assert!(!error.fix().is_empty() && !error.to_string().contains('\n'), "{error}");
            error.reason().to_owned()
        }
    }
}

/// Asserts the outcome for the path as a named file and as the default file.
#[track_caller]
fn assert_outcome(path: &Path, expected: &str) {
    for file in [ConfigFile::Named(path.to_owned()), ConfigFile::Default(path.to_owned())] {
        assert_eq!(outcome(&file), expected, "{file:?}");
    }
}

fn untrusted_path(path: &Path) -> PathBuf {
    match ConfigFile::Named(path.to_owned()).load() {
        Err(ConfigError::Untrusted { path, .. }) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_safe_file_is_read() {
    let folder = Folder::new();
    let path = folder.write("config.toml");
    assert_outcome(&path, "ok");
    for mode in [0o600, 0o400, 0o444, 0o755] {
        set_mode(&path, mode);
        assert_outcome(&path, "ok");
    }
    folder.make("deeper");
    assert_outcome(&folder.path("deeper/../config.toml"), "ok");
}

#[test]
fn a_missing_file_is_an_error_only_if_it_was_named() {
    let folder = Folder::new();
    for missing in ["config.toml", "no/such/folder/config.toml"] {
        let path = folder.path(missing);
        assert_eq!(outcome(&ConfigFile::Default(path.clone())), "absent");
        assert_eq!(outcome(&ConfigFile::Named(path)), "not_found");
    }
    let in_a_file = folder.write("file").join("config.toml");
    assert_eq!(outcome(&ConfigFile::Default(in_a_file)), "absent");
}

/// Users often have a folder that their group may write, or a link to such a folder. If the folder
/// has no configuration, the folder does not matter.
#[test]
fn folders_are_not_checked_if_the_file_does_not_exist() {
    let folder = Folder::new();
    let open = folder.make("open");
    set_mode(&open, 0o777);
    symlink(&open, folder.path("link")).unwrap();
    symlink("nowhere", folder.path("dangling")).unwrap();
    for name in ["open", "link", "dangling"] {
        let path = folder.path(name).join("config.toml");
        assert_eq!(outcome(&ConfigFile::Default(path.clone())), "absent", "{name}");
        assert_eq!(outcome(&ConfigFile::Named(path)), "not_found", "{name}");
    }
}

#[test]
fn a_file_that_other_users_may_write_is_refused() {
    let folder = Folder::new();
    let path = folder.write("config.toml");
    for mode in [0o664, 0o646, 0o666, 0o620, 0o602] {
        set_mode(&path, mode);
        assert_outcome(&path, "writable_by_others");
    }
    assert_eq!(untrusted_path(&path), path);
}

#[test]
fn a_file_of_another_user_is_refused() {
    let folder = Folder::new();
    let path = folder.write("config.toml");
    give(&path, STRANGER);
    assert_outcome(&path, "wrong_owner");
    assert_eq!(untrusted_path(&path), path);
}

#[test]
fn a_folder_that_other_users_may_write_is_refused() {
    let folder = Folder::new();
    let (upper, _) = (folder.make("upper"), folder.make("upper/lower"));
    let path = folder.write("upper/lower/config.toml");
    assert_outcome(&path, "ok");
    for mode in [0o775, 0o757, 0o1777] {
        set_mode(&upper, mode);
        assert_outcome(&path, "writable_by_others");
        assert_eq!(untrusted_path(&path), upper, "the sticky bit makes no difference");
    }
    set_mode(&upper, 0o755);
    set_mode(&folder.path("upper/lower"), 0o775);
    assert_eq!(untrusted_path(&path), folder.path("upper/lower"));
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = Folder::new();
    let (upper, _) = (folder.make("upper"), folder.make("upper/lower"));
    let path = folder.write("upper/lower/config.toml");
    give(&upper, STRANGER);
    assert_outcome(&path, "wrong_owner");
    assert_eq!(untrusted_path(&path), upper);
}

#[test]
fn links_are_refused() {
    let folder = Folder::new();
    folder.make("real");
    let real = folder.write("real/config.toml");
    symlink(&real, folder.path("link.toml")).unwrap();
    symlink(folder.path("real"), folder.path("link")).unwrap();
    symlink("nowhere", folder.path("dangling.toml")).unwrap();
    for path in ["link.toml", "link/config.toml", "dangling.toml"] {
        assert_outcome(&folder.path(path), "symbolic_link");
    }
    assert_eq!(untrusted_path(&folder.path("link/config.toml")), folder.path("link"));
    fs::hard_link(&real, folder.path("second-name")).unwrap();
    assert_outcome(&real, "linked");
    fs::remove_file(folder.path("second-name")).unwrap();
    assert_outcome(&real, "ok");
}

#[test]
fn anything_but_a_regular_file_is_refused() {
    let folder = Folder::new();
    folder.make("folder");
    mkfifoat(CWD, folder.path("fifo"), Mode::from_raw_mode(0o600)).unwrap();
    let _listener = UnixListener::bind(folder.path("socket")).unwrap();
    for name in ["folder", "fifo", "socket"] {
        assert_outcome(&folder.path(name), "not_regular");
    }
    for path in ["/", "/dev/null", "/run/.."] {
        assert_outcome(Path::new(path), "not_regular");
    }
}

#[test]
fn a_file_has_at_most_64_kib() {
    let folder = Folder::new();
    let path = folder.write("config.toml");
    let text = "home = \"/somewhere\"\n#";
    let fill = |length: usize| {
        fs::write(&path, format!("{text}{}", "-".repeat(length - text.len()))).unwrap();
    };
    fill(64 * 1024);
    assert_outcome(&path, "ok");
    fill(64 * 1024 + 1);
    assert_outcome(&path, "too_large");
}

#[test]
fn invalid_text_is_refused() {
    let folder = Folder::new();
    let path = folder.write("config.toml");
    fs::write(&path, b"home = \"/\xff\"").unwrap();
    assert_outcome(&path, "not_text");
    fs::write(&path, "[limits]\nkeys = 3").unwrap();
    assert_outcome(&path, "invalid");
    match ConfigFile::Default(path.clone()).load() {
        Err(ConfigError::Invalid { path: at, invalid: InvalidConfig { line, key, .. } }) => {
            assert_eq!((at, line, key), (path, 2, Some("limits.keys".to_owned())));
        }
        other => panic!("{other:?}"),
    }
}

/// The service trusts files of its own user and of root. It does not trust a file of another user.
#[test]
fn the_service_trusts_files_of_root_and_of_its_own_user() {
    let folder = Folder::new();
    let (roots, own) = (folder.write("roots.toml"), folder.write("own.toml"));
    let (strangers, unreadable) = (folder.write("strangers.toml"), folder.write("unreadable.toml"));
    give(&own, SERVICE);
    give(&strangers, STRANGER);
    set_mode(&unreadable, 0o600);
    give(&folder.make("own"), SERVICE);
    let in_own = folder.write("own/config.toml");
    set_mode(&folder.make("closed"), 0o700);
    let in_closed = folder.write("closed/config.toml");
    for (path, expected) in [
        (roots, "ok"),
        (own, "ok"),
        (in_own, "ok"),
        (strangers, "wrong_owner"),
        (unreadable, "unreadable"),
        (in_closed, "unreadable"),
    ] {
        // The service's user may not be able to read the build folder, so the test copies this
        // program.
        let program = folder.path("program");
        fs::copy(env::current_exe().unwrap(), &program).unwrap();
        let output = Command::new(&program)
            .args(["child_under_another_user", "--exact", "--ignored", "--nocapture"])
            .env("CONFIG_TEST_FILE", &path)
            .env("CONFIG_TEST_OUTCOME", expected)
            .current_dir("/")
            .uid(SERVICE)
            .gid(SERVICE)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[test]
#[ignore = "runs in a process of its own, because the user is the process's"]
fn child_under_another_user() {
    let Some(path) = env::var_os("CONFIG_TEST_FILE") else { return };
    assert_eq!(rustix::process::geteuid().as_raw(), SERVICE);
    assert_outcome(Path::new(&path), &env::var("CONFIG_TEST_OUTCOME").unwrap());
}
