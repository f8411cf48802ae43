//! Installs the TypeScript compiler for the example in that language. npm puts the versions that
//! the example locks into the build output.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use device_key_process as process;

use crate::workspace::Workspace;

/// The files that npm reads: the packages, and their exact versions and digests.
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

pub(crate) struct Compiler {
    example: PathBuf,
    folder: PathBuf,
}

impl Compiler {
    /// Returns the compiler of this workspace. Tests look for it in `typescript` below the target
    /// folder.
    pub(crate) fn of(workspace: &Workspace) -> Self {
        Self {
            example: workspace.root().join("docs/examples/typescript"),
            folder: workspace.target().join("typescript"),
        }
    }

    /// Returns whether all packages are installed in the versions that the example locks now.
    pub(crate) fn is_installed(&self) -> bool {
        // npm writes this file last.
        self.folder.join("node_modules/.package-lock.json").is_file()
            && LISTS.iter().all(|list| {
                let [wanted, there] = [&self.example, &self.folder].map(|of| of.join(list));
                fs::read(wanted).ok().is_some_and(|wanted| fs::read(there).ok() == Some(wanted))
            })
    }

    /// Installs the packages, after removing the old ones.
    pub(crate) fn install(&self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(&self.folder)?;
        for list in LISTS {
            fs::copy(self.example.join(list), self.folder.join(list))
                .with_context(|| format!("cannot copy {list}"))?;
        }
        process::shown(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&self.folder),
        )
        .context("cannot install TypeScript")
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn installed() -> (TempDir, Compiler) {
        let scratch = tempfile::tempdir().unwrap();
        let [example, folder] = ["example", "folder"].map(|name| scratch.path().join(name));
        let compiler = Compiler { example, folder };
        fs::create_dir_all(compiler.folder.join("node_modules")).unwrap();
        fs::create_dir(&compiler.example).unwrap();
        for list in LISTS {
            fs::write(compiler.example.join(list), list).unwrap();
            fs::write(compiler.folder.join(list), list).unwrap();
        }
        fs::write(compiler.folder.join("node_modules/.package-lock.json"), "").unwrap();
        (scratch, compiler)
    }

    #[test]
    fn what_is_locked_and_complete_is_installed() {
        assert!(installed().1.is_installed());
        for missing in ["package.json", "package-lock.json", "node_modules/.package-lock.json"] {
            let (_scratch, compiler) = installed();
            fs::remove_file(compiler.folder.join(missing)).unwrap();
            assert!(!compiler.is_installed(), "{missing}");
        }
    }

    #[test]
    fn other_versions_and_a_missing_example_are_not_installed() {
        for list in LISTS {
            let (_scratch, compiler) = installed();
            fs::write(compiler.example.join(list), "another version").unwrap();
            assert!(!compiler.is_installed(), "{list}");
        }
        let (_scratch, compiler) = installed();
        fs::remove_dir_all(&compiler.example).unwrap();
        assert!(!compiler.is_installed());
    }

    #[test]
    fn the_lists_of_the_example_are_there_and_name_no_address() {
        let example = Compiler::of(&Workspace::locate().unwrap()).example;
        for list in LISTS {
            let text = fs::read_to_string(example.join(list)).unwrap();
            assert!(!text.contains("resolved") && !text.contains("://"), "{list}");
        }
    }
}
