//! Puts the package's files into one tree and has `dpkg-deb` pack it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::Context as _;
use device_key_package_trial::Package;
use device_key_process as process;
use tempfile::TempDir;

use super::contents::{CONTROL, Content, SCRIPTS, contents, is_configuration};
use super::control;
use crate::workspace::Workspace;

/// Returns the folder for packages and for the files of the trial.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("package")
}

/// Builds the package around this binary.
pub(crate) fn build(workspace: &Workspace, binary: &Path) -> anyhow::Result<Package> {
    let folder = folder(workspace);
    fs::create_dir_all(&folder)?;
    let architecture = control::architecture()?;
    let version = control::version(env!("CARGO_PKG_VERSION"));
    let file = folder.join(format!("device-key_{version}_{architecture}.deb"));
    let epoch = source_date(workspace)?;
    let mut tree = Tree::new(&folder)?;
    for content in contents(workspace.root(), binary) {
        tree.add(&content)?;
    }
    let fixed = read(&workspace.root().join(CONTROL))?;
    let text = control::file(&fixed, &version, architecture, tree.installed_kibibytes);
    tree.control("control", &text, 0o644)?;
    tree.control("conffiles", &tree.configuration(), 0o644)?;
    tree.control("md5sums", &tree.checksums()?, 0o644)?;
    for (name, source) in SCRIPTS {
        tree.control(name, &read(&workspace.root().join(source))?, 0o755)?;
    }
    pack(tree.root.path(), &file, &epoch)?;
    eprintln!(
        "package: {}, {:.1} MB; the static binary in it has {:.1} MB",
        file.display(),
        megabytes(&file)?,
        megabytes(binary)?
    );
    Ok(Package { file, architecture, binary: binary.to_path_buf() })
}

/// The package's files as they will be installed, below a folder that is removed afterwards.
struct Tree {
    root: TempDir,
    folders: BTreeSet<PathBuf>,
    destinations: BTreeSet<&'static str>,
    installed_kibibytes: u64,
}

impl Tree {
    fn new(parent: &Path) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("tree-").tempdir_in(parent)?;
        set_mode(root.path(), 0o755)?;
        let mut tree = Self {
            root,
            folders: BTreeSet::new(),
            destinations: BTreeSet::new(),
            installed_kibibytes: 0,
        };
        tree.folder(Path::new("DEBIAN"))?;
        // The folder DEBIAN is not installed.
        tree.installed_kibibytes = 0;
        Ok(tree)
    }

    fn add(&mut self, content: &Content) -> anyhow::Result<()> {
        let destination = Path::new(content.destination);
        if let Some(parent) = destination.parent() {
            self.folder(parent)?;
        }
        let copy = self.root.path().join(destination);
        let bytes = fs::copy(&content.source, &copy)
            .with_context(|| format!("cannot pack {}", content.source.display()))?;
        set_mode(&copy, content.mode)?;
        self.installed_kibibytes += bytes.div_ceil(1024);
        self.destinations.insert(content.destination);
        Ok(())
    }

    /// Makes the folder and the folders above it, with one mode whatever the umask is.
    fn folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        let mut above: Vec<_> =
            folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
        above.reverse();
        for folder in above {
            if self.folders.insert(folder.to_path_buf()) {
                let path = self.root.path().join(folder);
                fs::create_dir(&path)?;
                set_mode(&path, 0o755)?;
                // dpkg-gencontrol counts a folder as one kibibyte.
                self.installed_kibibytes += 1;
            }
        }
        Ok(())
    }

    fn control(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        let file = self.root.path().join("DEBIAN").join(name);
        fs::write(&file, text)?;
        set_mode(&file, mode)
    }

    /// The files that an administrator may change, as dpkg wants them listed.
    fn configuration(&self) -> String {
        let files = self.destinations.iter().filter(|destination| is_configuration(destination));
        files.flat_map(|destination| ["/", destination, "\n"]).collect()
    }

    /// Returns the sums that `dpkg --verify` compares. dpkg keeps the sums of configuration files
    /// elsewhere.
    fn checksums(&self) -> anyhow::Result<String> {
        let files = self.destinations.iter().filter(|destination| !is_configuration(destination));
        process::output(Command::new("md5sum").current_dir(self.root.path()).args(files))
    }
}

/// Packs the tree. Equal trees give equal bytes: times are clamped, and the compressor has one
/// thread, because its output depends on the number of threads.
fn pack(tree: &Path, file: &Path, epoch: &str) -> anyhow::Result<()> {
    process::quiet(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"])
            .arg(tree)
            .arg(file)
            .env("SOURCE_DATE_EPOCH", epoch),
    )
}

/// Returns the seconds since 1970 that every file gets as its time: the caller's, or else the time
/// of the commit (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn source_date(workspace: &Workspace) -> anyhow::Result<String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut git = Command::new("git");
    git.current_dir(workspace.root()).args(["log", "-1", "--format=%ct"]);
    let epoch = process::output(&mut git)
        .context("outside of a repository SOURCE_DATE_EPOCH must say how old the sources are")?;
    Ok(epoch.trim().to_owned())
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Returns the size for people.
fn megabytes(file: &Path) -> anyhow::Result<f64> {
    let kilobytes = u32::try_from(fs::metadata(file)?.len() / 1000)?;
    Ok(f64::from(kilobytes) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_packed_into_the_same_bytes() {
        let workspace = Workspace::locate().unwrap();
        let binary = workspace.root().join("Cargo.toml");
        let folder = tempfile::tempdir().unwrap();
        let mut packed = Vec::new();
        for name in ["first.deb", "second.deb"] {
            let mut tree = Tree::new(folder.path()).unwrap();
            let mut contents = contents(workspace.root(), &binary);
            if name == "second.deb" {
                contents.reverse();
            }
            for content in contents {
                tree.add(&content).unwrap();
            }
            let control = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@m.invalid>\n\
                           Description: d\n";
            tree.control("control", control, 0o644).unwrap();
            let file = folder.path().join(name);
            pack(tree.root.path(), &file, "1700000000").unwrap();
            packed.push(fs::read(file).unwrap());
        }
        assert!(packed[0] == packed[1]);
    }

    #[test]
    fn checksums_are_of_all_but_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        let mut tree = Tree::new(folder.path()).unwrap();
        for destination in ["usr/bin/b", "etc/c/d", "usr/bin/a"] {
            tree.add(&Content { source: file.clone(), destination, mode: 0o644 }).unwrap();
        }
        assert_eq!(tree.configuration(), "/etc/c/d\n");
        let sum = "1cb251ec0d568de6a929b520c4aed8d1";
        assert_eq!(tree.checksums().unwrap(), format!("{sum}  usr/bin/a\n{sum}  usr/bin/b\n"));
        // Four folders, and three files of less than a kibibyte.
        assert_eq!(tree.installed_kibibytes, 4 + 3);
    }
}
