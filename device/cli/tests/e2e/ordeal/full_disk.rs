//! Fills the disk on which the home is.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use device_key_testing::Swtpm;
use tempfile::TempDir;

use super::{any_class, endure};
use crate::home::Home;
use crate::server::Server;

/// A file system of 4 MiB in memory, which is unmounted when this value is dropped.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(disk.path());
        assert!(mount.status().unwrap().success(), "tmpfs cannot be mounted");
        disk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.ballast()).unwrap();
        for size in [4096, 512, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Without an unmount the folder cannot be removed, which tells enough.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
#[ignore = "run by cargo xtask ordeal"]
fn with_tpm_keys() {
    let (swtpm, disk) = (Swtpm::start(), SmallDisk::mount());
    let home = Home::at(disk.path().join("home"));
    let outcome = "creations are refused and leave nothing, signatures and deletions go on, and \
                   creations go on once there is room";
    endure("a full disk", outcome, |luck, tally| {
        let mut server = Server::start(&mut home.app_server(&swtpm.address()));
        let mut keys: Vec<_> = (0..3).map(|_| server.create("account", "client")).collect();
        if luck.below(2) == 0 {
            server.finish_well();
            server = Server::start(&mut home.app_server(&swtpm.address()));
        }
        disk.fill();
        for _ in 0..3 {
            let answer = server.call("device/key/create", &any_class());
            assert!(answer["error"].is_object(), "the disk is full: {answer}");
            server.prove(&keys[luck.below(keys.len())]);
            tally.add("refused creations", 1);
        }
        let deleted = keys.remove(luck.below(keys.len()));
        server.delete(&deleted.id);
        assert_eq!(server.refusal_to_sign(&deleted), "key_not_found");
        tally.add("deletions", 1);
        disk.make_room();

        keys.push(server.create("account", "client"));
        for key in keys {
            server.prove(&key);
            server.delete(&key.id);
        }
        server.finish_well();
        home.recover();
        assert!(home.assert_at_rest().is_empty(), "something is left");
    });
}
