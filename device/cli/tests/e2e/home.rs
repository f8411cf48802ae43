//! A home folder, looked at from outside.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::program::{on, run};

/// A folder that the program has yet to make, in a scratch folder that goes with this value.
pub(crate) struct Home {
    scratch: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.beside("home")
    }

    /// A path next to the home.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("state.sqlite")
    }

    /// The app-server on this home and a simulated TPM, which is allowed.
    pub(crate) fn app_server(&self, tpm: &str) -> Command {
        on("app-server", &self.path(), tpm)
    }

    /// Starts the app-server on an empty input: it sweeps and ends. No TPM is needed for that.
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

    /// The names in the folder of TPM keys, without the suffix of a whole key file. What is partial
    /// keeps its name, which is nobody's id.
    pub(crate) fn key_files(&self) -> BTreeSet<String> {
        let whole = |name: String| name.strip_suffix(".pem").map(str::to_owned).unwrap_or(name);
        names(&self.path().join("keys/tpm")).into_iter().map(whole).collect()
    }

    pub(crate) fn leases(&self) -> BTreeSet<String> {
        names(&self.path().join("lock"))
    }

    /// Nothing half-made is left, and every key is whole; gives the ids of all.
    pub(crate) fn assert_only_whole_keys(&self) -> BTreeSet<String> {
        let ready = self.records("ready");
        assert_eq!(self.records("creating"), BTreeSet::new());
        assert_eq!(self.records("deleting"), BTreeSet::new());
        assert_eq!(self.key_files(), ready, "key files are those of the records");
        ready
    }

    /// As [`Home::assert_only_whole_keys`], when no process is at work on this home.
    pub(crate) fn assert_at_rest(&self) -> BTreeSet<String> {
        assert_eq!(self.leases(), BTreeSet::new(), "nobody lives who could hold a lease");
        self.assert_only_whole_keys()
    }

    /// Every folder here, this one included, has mode 0700 and every file 0600; gives how many.
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

/// Every name in a folder, hidden ones included; none if there is no such folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
