//! The rules for files that a program can check: their length, their first line, the width of their
//! comments, and the links of documents.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context as _, bail};
use device_key_process as process;

/// Lines in a file that people write, at most.
const LINES: usize = 400;

/// Columns in a line that is a comment, at most.
const COLUMNS: usize = 100;

/// Fails with every place below `root` that breaks a rule.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let files = match files_known_to_git(root) {
        Some(files) => files,
        None => files_in(root)?,
    };
    let (mut count, mut faults) = (0, Vec::new());
    for file in files {
        let Some(kind) = Kind::of(&file) else { continue };
        let name = file.display();
        let text = match fs::read_to_string(root.join(&file)) {
            Ok(text) => text,
            // The file is removed, and the removal is not committed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
        };
        count += 1;
        let found = kind.faults(&text).into_iter().chain(dead_links(root, &file, kind, &text));
        faults.extend(found.map(|(line, fault)| format!("{name}:{line}: {fault}")));
    }
    eprintln!("\n# the lines, comments and links of {count} files");
    if !faults.is_empty() {
        bail!("these places break the rules of CONTRIBUTING.md:\n{}", faults.join("\n"));
    }
    Ok(())
}

/// A fault and the number of its line.
type Fault = (usize, String);

/// The kind of a file, which decides which rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rust,
    /// Code with this mark before a comment.
    Code(&'static str),
    /// Settings and scripts, whose comments begin with `#`.
    Settings,
    Document,
}

impl Kind {
    fn of(file: &Path) -> Option<Self> {
        Some(match file.extension()?.to_str()? {
            "rs" => Self::Rust,
            "ts" => Self::Code("//"),
            "py" => Self::Code("#"),
            "toml" | "sh" | "yml" | "conf" | "service" | "socket" => Self::Settings,
            "md" => Self::Document,
            _ => return None,
        })
    }

    fn faults(self, text: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self == Self::Rust && !text.starts_with("//! ") {
            faults.push((1, "the first line is not a `//!` line".into()));
        }
        let lines = text.lines().count();
        if matches!(self, Self::Rust | Self::Code(_)) && lines > LINES {
            faults.push((lines, format!("more than {LINES} lines; split the file")));
        }
        let mark = match self {
            Self::Rust => "//",
            Self::Code(mark) => mark,
            Self::Settings => "#",
            Self::Document => return faults,
        };
        for (line, number) in text.lines().zip(1..) {
            let columns = line.chars().count();
            if columns > COLUMNS && line.trim_start().starts_with(mark) && can_be_wrapped(line) {
                faults.push((number, format!("a comment of {columns} columns, {COLUMNS} at most")));
            }
        }
        faults
    }
}

/// Whether a comment holds more than its mark and one word, such as a long address.
fn can_be_wrapped(comment: &str) -> bool {
    comment.split_whitespace().nth(2).is_some()
}

/// The relative links of a document that lead to no file.
fn dead_links(root: &Path, document: &Path, kind: Kind, text: &str) -> Vec<Fault> {
    let folder = root.join(document.parent().unwrap_or(Path::new("")));
    let (mut dead, mut is_code) = (Vec::new(), kind != Kind::Document);
    for (line, number) in text.lines().zip(1..) {
        is_code ^= line.trim_start().starts_with("```");
        let links = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|_| kind == Kind::Document && !is_code) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.contains("://") && !path.is_empty() && !folder.join(path).exists() {
                dead.push((number, format!("the link leads nowhere: {link}")));
            }
        }
    }
    dead
}

/// Tracked files and new files that git would track, relative to `root`. Returns `None` if `root`
/// is not in a repository, as in an unpacked archive.
fn files_known_to_git(root: &Path) -> Option<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(paths(&String::from_utf8(output.stdout).ok()?))
}

/// Files below `root`, except in build output and hidden folders.
fn files_in(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut find = Command::new("find");
    find.current_dir(root).args(["-type", "d", "(", "-name", "target", "-o", "-name", ".?*", ")"]);
    find.args(["-prune", "-o", "!", "-type", "d", "-printf", "%P\\0"]);
    Ok(paths(&process::output(&mut find)?))
}

/// Reads paths that each end with a zero byte.
fn paths(list: &str) -> Vec<PathBuf> {
    list.split_terminator('\0').map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn lines(count: usize) -> String {
        "//! A\n".repeat(count)
    }

    /// The faults in a tree of these files.
    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(root.path(), name, text);
        }
        let told = check(root.path()).err().map(|error| error.to_string()).unwrap_or_default();
        told.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn the_longest_file_is_allowed_and_one_more_line_is_not() {
        assert_eq!(
            faults(&[("a/lib.rs", &lines(LINES)), ("notes.txt", &lines(LINES + 1))]),
            [""; 0]
        );
        for name in ["a/long.rs", "long.ts", "long.py"] {
            let fault = format!("{name}:401: more than 400 lines; split the file");
            assert_eq!(faults(&[(name, &lines(LINES + 1))]), [fault]);
        }
    }

    #[test]
    fn a_rust_file_says_first_what_it_is_for() {
        for text in ["use std::fs;\n", "#![allow(x)]\n//! A\n", "//!\n", ""] {
            assert_eq!(faults(&[("a.rs", text)]).len(), 1, "{text:?}");
        }
        assert_eq!(faults(&[("a.py", "import os\n")]), [""; 0]);
    }

    #[test]
    fn a_comment_is_at_most_100_columns_wide() {
        let comment = |mark: &str, width: usize| {
            let start = format!("{mark} word ");
            format!("{start}{}\n", "é".repeat(width - start.len()))
        };
        let marks =
            [("a.rs", "//! A\n    ///"), ("a.ts", "\n//"), ("a.toml", "\n  #"), ("a.sh", "\n#")];
        for (name, mark) in marks {
            let (first, mark) = mark.split_once('\n').unwrap();
            let file = |width| format!("{first}\n{}", comment(mark, width));
            assert_eq!(faults(&[(name, &file(100))]), [""; 0]);
            let fault = format!("{name}:2: a comment of 101 columns, 100 at most");
            assert_eq!(faults(&[(name, &file(101))]), [fault]);
        }
        let address = format!("//! A\n// <https://host.example/{}>\n", "a".repeat(100));
        let code = format!("//! A\nlet text = \"{}\"; // why\n", "a ".repeat(50));
        assert_eq!(faults(&[("address.rs", &address), ("code.rs", &code)]), [""; 0]);
    }

    #[test]
    fn the_links_of_documents_lead_to_files() {
        let document = "[a](a.md#part) [web](https://host.example/x) [here](#part)\n\
                        ```\n[x](none.md)\n```\n![picture](b/c.svg) [gone](b/gone.md)\n";
        let others = [("docs/a.md", "[up](../README.md)"), ("docs/b/c.svg", ""), ("README.md", "")];
        let files = [&others[..], &[("docs/document.md", document)]].concat();
        assert_eq!(faults(&files), ["docs/document.md:5: the link leads nowhere: b/gone.md"]);
    }

    #[test]
    fn build_output_and_hidden_folders_are_not_ours() {
        let root = tempfile::tempdir().unwrap();
        for name in ["target/debug/generated.rs", ".hidden/copy.rs", "src/main.rs"] {
            write(root.path(), name, "");
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
        write(root.path(), ".gitignore", "/out\n");
        write(root.path(), "tracked.rs", &lines(1));
        write(root.path(), "removed.rs", &lines(LINES + 1));
        git(&["add", "."]);
        fs::remove_file(root.path().join("removed.rs")).unwrap();
        write(root.path(), "out/generated.rs", &lines(LINES + 1));
        check(root.path()).unwrap();
        write(root.path(), "new.rs", &lines(LINES + 1));
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("new.rs:401: "), "{error}");
        assert!(!error.contains("generated.rs"), "{error}");
    }
}
