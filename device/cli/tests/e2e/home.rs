//! A home folder, and the checks of what the program stores in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::program::{on, run};

/// How long a failed creation may take to be undone. Only a failing test waits this long.
const UNDOING: Duration = Duration::from_secs(10);

/// The path of a home folder, which the program creates.
pub(crate) struct Home {
    path: PathBuf,
    /// The folder around it, which is removed when this value is dropped.
    _scratch: Option<TempDir>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self { path: scratch.path().join("home"), _scratch: Some(scratch) }
    }

    /// A home whose folder somebody else removes.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, _scratch: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// A path next to the home.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("state.sqlite")
    }

    /// The command that starts the app-server on this home and an allowed simulated TPM.
    pub(crate) fn app_server(&self, tpm: &str) -> Command {
        on("app-server", &self.path(), tpm)
    }

    /// Starts the app-server on an empty input, so that it sweeps and ends. This needs no TPM.
    pub(crate) fn recover(&self) {
        let output = run(&mut self.app_server(crate::program::ABSENT));
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b""[..]), "{log}");
    }

    /// The ids of the records in one phase.
    pub(crate) fn records(&self, phase: &str) -> BTreeSet<String> {
        if !self.database().exists() {
            return BTreeSet::new();
        }
        let database = Connection::open(self.database()).unwrap();
        let mut select =
            database.prepare("SELECT key_id FROM device_key_bindings WHERE phase = ?1").unwrap();
        let ids = select.query_map([phase], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    }

    /// The names in the folders of keys, without the suffix of a whole key file. A partial file
    /// keeps its name, which is not the id of any key.
    pub(crate) fn key_files(&self) -> BTreeSet<String> {
        let files = |(folder, suffix): (&str, &str)| {
            let whole = |name: String| name.strip_suffix(suffix).map(str::to_owned).unwrap_or(name);
            names(&self.path.join("keys").join(folder)).into_iter().map(whole).collect::<Vec<_>>()
        };
        [("tpm", ".pem"), ("os", ".p8")].into_iter().flat_map(files).collect()
    }

    pub(crate) fn leases(&self) -> BTreeSet<String> {
        names(&self.path().join("lock"))
    }

    /// Asserts that nothing half-made is left and every key is whole, once a process that is at
    /// work on the home has undone what failed. Returns the ids of all keys.
    pub(crate) fn assert_only_whole_keys(&self) -> BTreeSet<String> {
        let half_made = || &self.records("creating") | &self.records("deleting");
        let deadline = Instant::now() + UNDOING;
        while !half_made().is_empty() && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(half_made(), BTreeSet::new());
        let ready = self.records("ready");
        assert_eq!(self.key_files(), ready, "key files are those of the records");
        ready
    }

    /// Like [`Home::assert_only_whole_keys`], for a home on which no process is at work.
    pub(crate) fn assert_at_rest(&self) -> BTreeSet<String> {
        assert_eq!(self.leases(), BTreeSet::new(), "no process is alive that could hold a lease");
        self.assert_only_whole_keys()
    }

    /// Asserts that this folder and every folder in it have mode 0700 and every file 0600. Returns
    /// how many there are.
    pub(crate) fn assert_private(&self) -> usize {
        assert_private(&self.path())
    }
}

fn assert_private(path: &Path) -> usize {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_dir() {
        assert_eq!(format!("{mode:o}"), "600", "{}", path.display());
        return 1;
    }
    assert_eq!(format!("{mode:o}"), "700", "{}", path.display());
    names(path).iter().map(|name| assert_private(&path.join(name))).sum::<usize>() + 1
}

/// Every name in a folder, hidden names included. A missing folder has no names.
fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
