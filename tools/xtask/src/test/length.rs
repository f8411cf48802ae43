//! No Rust file grows beyond what can be read in one sitting.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context as _, bail};
use device_key_process as process;

/// Lines in a file, at most.
const LIMIT: usize = 500;

/// Fails if a Rust file below `root` has more than 500 lines.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let files = match files_known_to_git(root) {
        Some(files) => files,
        None => files_in(root)?,
    };
    eprintln!("\n# {} Rust files, none longer than {LIMIT} lines?", files.len());
    let mut long = Vec::new();
    for file in files {
        let text = match fs::read(root.join(&file)) {
            Ok(text) => text,
            // Removed, and not yet committed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let lines = lines(&text);
        if lines > LIMIT {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    if !long.is_empty() {
        bail!("split these files, {LIMIT} lines are the limit:\n  {}", long.join("\n  "));
    }
    Ok(())
}

/// Tracked files and new ones that git would track, relative to `root`; nothing if `root` is in no
/// repository, as in an unpacked archive.
fn files_known_to_git(root: &Path) -> Option<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"])
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(paths(&String::from_utf8(output.stdout).ok()?))
}

/// Rust files below `root`, except in build output and hidden folders.
fn files_in(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut find = Command::new("find");
    find.current_dir(root).args(["-type", "d", "(", "-name", "target", "-o", "-name", ".?*", ")"]);
    find.args(["-prune", "-o", "-name", "*.rs", "!", "-type", "d", "-printf", "%P\\0"]);
    Ok(paths(&process::output(&mut find)?))
}

/// Reads paths that each end with a zero byte.
fn paths(list: &str) -> Vec<PathBuf> {
    list.split_terminator('\0').map(PathBuf::from).collect()
}

/// Counts a last line without an end too.
fn lines(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, lines: usize) {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "//\n".repeat(lines)).unwrap();
    }

    #[test]
    fn a_last_line_without_an_end_counts() {
        assert_eq!(lines(b""), 0);
        assert_eq!(lines(b"a\nb\n"), 2);
        assert_eq!(lines(b"a\nb"), 2);
        assert_eq!(lines(b"\n\n"), 2);
    }

    #[test]
    fn the_limit_is_allowed_and_one_more_line_is_not() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "crates/a/src/lib.rs", LIMIT);
        write(root.path(), "notes.txt", LIMIT + 1);
        check(root.path()).unwrap();
        write(root.path(), "crates/b/src/long.rs", LIMIT + 1);
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("crates/b/src/long.rs: 501 lines"), "{error}");
        assert!(!error.contains("lib.rs"), "{error}");
    }

    #[test]
    fn build_output_and_hidden_folders_are_not_ours() {
        let root = tempfile::tempdir().unwrap();
        for name in ["target/debug/generated.rs", ".hidden/copy.rs", "src/main.rs"] {
            write(root.path(), name, 1);
        }
        assert_eq!(files_in(root.path()).unwrap(), [Path::new("src/main.rs")]);
    }

    #[test]
    fn git_names_new_files_and_leaves_out_ignored_ones() {
        let root = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let status = Command::new("git").current_dir(&root).args(arguments).status().unwrap();
            assert!(status.success(), "{arguments:?}");
        };
        git(&["init", "--quiet"]);
        fs::write(root.path().join(".gitignore"), "/out\n").unwrap();
        write(root.path(), "tracked.rs", 1);
        write(root.path(), "removed.rs", LIMIT + 1);
        git(&["add", "."]);
        fs::remove_file(root.path().join("removed.rs")).unwrap();
        write(root.path(), "out/generated.rs", LIMIT + 1);
        check(root.path()).unwrap();
        write(root.path(), "new.rs", LIMIT + 1);
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("new.rs: 501 lines"), "{error}");
        assert!(!error.contains("generated.rs"), "{error}");
    }
}
