//! The list of the files in the package.

use std::path::{Path, PathBuf};

/// A file of the package.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) source: PathBuf,
    /// The path below the root of the file system.
    pub(crate) destination: &'static str,
    pub(crate) mode: u32,
}

/// The maintainer scripts, and their paths in the workspace.
pub(crate) const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", "packaging/debian/postinst"),
    ("prerm", "packaging/debian/prerm"),
    ("postrm", "packaging/debian/postrm"),
];

/// The fields of the control file that do not depend on the build.
pub(crate) const CONTROL: &str = "packaging/debian/control";

const PROGRAM: &str = "usr/bin/device-key";

/// The files from the workspace, sorted by destination.
const FILES: [(&str, &str); 13] = [
    ("packaging/config.toml", "etc/device-key/config.toml"),
    ("packaging/systemd/system/device-key.service", "usr/lib/systemd/system/device-key.service"),
    ("packaging/systemd/system/device-key.socket", "usr/lib/systemd/system/device-key.socket"),
    ("packaging/systemd/user/device-key.service", "usr/lib/systemd/user/device-key.service"),
    ("packaging/systemd/user/device-key.socket", "usr/lib/systemd/user/device-key.socket"),
    ("packaging/sysusers.conf", "usr/lib/sysusers.d/device-key.conf"),
    ("packaging/tmpfiles.conf", "usr/lib/tmpfiles.d/device-key.conf"),
    ("CHANGELOG.md", "usr/share/doc/device-key/CHANGELOG.md"),
    ("packaging/debian/README.Debian", "usr/share/doc/device-key/README.Debian"),
    ("SECURITY.md", "usr/share/doc/device-key/SECURITY.md"),
    ("packaging/debian/copyright", "usr/share/doc/device-key/copyright"),
    ("packaging/examples/network.conf", "usr/share/doc/device-key/examples/network.conf"),
    ("packaging/examples/wrapping-key.conf", "usr/share/doc/device-key/examples/wrapping-key.conf"),
];

/// Returns every file. `binary` is the program that was built.
pub(crate) fn contents(workspace: &Path, binary: &Path) -> Vec<Content> {
    let program = Content { source: binary.to_path_buf(), destination: PROGRAM, mode: 0o755 };
    let files = FILES.iter().map(|(source, destination)| Content {
        source: workspace.join(source),
        destination,
        mode: 0o644,
    });
    std::iter::once(program).chain(files).collect()
}

/// Returns whether an administrator may change the file, so that an upgrade must not replace it
/// silently.
pub(crate) fn is_configuration(destination: &str) -> bool {
    destination.starts_with("etc/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::workspace::Workspace;

    /// Relative to the workspace.
    fn files_below(root: &Path, folder: &str) -> Vec<String> {
        fs::read_dir(root.join(folder))
            .unwrap()
            .flat_map(|entry| {
                let entry = entry.unwrap();
                let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    files_below(root, &name)
                } else {
                    vec![name]
                }
            })
            .collect()
    }

    #[test]
    fn nothing_in_packaging_is_forgotten() {
        let workspace = Workspace::locate().unwrap();
        let there: BTreeSet<_> = files_below(workspace.root(), "packaging").into_iter().collect();
        let used = FILES.iter().map(|(source, _)| *source);
        let used = used.chain(SCRIPTS.iter().map(|(_, source)| *source)).chain([CONTROL]);
        let used: BTreeSet<_> =
            used.filter(|source| source.starts_with("packaging/")).map(str::to_owned).collect();
        assert_eq!(there, used);
    }

    #[test]
    fn only_what_is_in_etc_is_configuration() {
        let configuration: Vec<_> = contents(Path::new("/"), Path::new("/device-key"))
            .into_iter()
            .map(|content| content.destination)
            .filter(|destination| is_configuration(destination))
            .collect();
        assert_eq!(configuration, ["etc/device-key/config.toml"]);
    }
}
