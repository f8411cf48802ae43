//! The tools that tests, the demo and packaging need: how to find each, and which packages hold it.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use device_key_process as process;

use self::Evidence::{Executable, Library, OpensslModule, PostgresProgram, PythonModule};

/// A tool that must be on the machine.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) name: &'static str,
    evidence: Evidence,
    /// The package of Debian and Ubuntu.
    pub(crate) debian: &'static str,
    pub(crate) fedora: &'static str,
}

#[derive(Debug)]
enum Evidence {
    /// A program on the search path.
    Executable(&'static str),
    /// A provider that OpenSSL can load, by its file name. Loading it would not prove more, because
    /// the tpm2 provider refuses to start on a machine without a TPM.
    OpensslModule(&'static str),
    /// A library that the C compiler finds, by its file name.
    Library(&'static str),
    /// A module of any `python3` on the search path. The system's package adds the module to the
    /// system's Python, which may not be the first one.
    PythonModule(&'static str),
    /// A program of PostgreSQL's server. Debian keeps the programs of each version in a folder that
    /// is not on the search path, `lib/postgresql/VERSION/bin` beside `bin`.
    PostgresProgram(&'static str),
}

/// The tools of the demo and the benchmarks.
pub(crate) const FOR_DEMO: &[Requirement] =
    &[COMPILER, STATIC_LIBRARY, OPENSSL, SIMULATOR, SIMULATOR_SETUP];

/// The tools of the tests.
pub(crate) const FOR_TESTS: &[Requirement] = &[
    COMPILER,
    STATIC_LIBRARY,
    PACKER,
    OPENSSL,
    SIMULATOR,
    SIMULATOR_SETUP,
    tool("systemd-socket-activate", "systemd", "systemd"),
    tool("tpm2_load", "tpm2-tools", "tpm2-tools"),
    other("OpenSSL's tpm2 provider", OpensslModule("tpm2.so"), "tpm2-openssl", "tpm2-openssl"),
    other("PostgreSQL's server", PostgresProgram("initdb"), "postgresql", "postgresql-server"),
    tool("node", "nodejs", "nodejs"),
    tool("npm", "npm", "nodejs-npm"),
    other(
        "Python's cryptography",
        PythonModule("cryptography"),
        "python3-cryptography",
        "python3-cryptography",
    ),
];

/// The tools for building and trying the package. debootstrap is in `/usr/sbin`, which is on root's
/// search path, and trying the package needs root.
pub(crate) const FOR_PACKAGING: &[Requirement] =
    &[COMPILER, STATIC_LIBRARY, PACKER, tool("debootstrap", "debootstrap", "debootstrap")];

/// The tools of the ordeal. All are on root's search path, and the ordeal needs root.
pub(crate) const FOR_ORDEAL: &[Requirement] = &[
    COMPILER,
    SIMULATOR,
    tool("mkfs.ext4", "e2fsprogs", "e2fsprogs"),
    tool("fsfreeze", "util-linux", "util-linux"),
    tool("mount", "mount", "util-linux-core"),
];

const COMPILER: Requirement = tool("cc", "gcc", "gcc");
const OPENSSL: Requirement = tool("openssl", "openssl", "openssl");
const SIMULATOR: Requirement = tool("swtpm", "swtpm", "swtpm");
const SIMULATOR_SETUP: Requirement = tool("swtpm_setup", "swtpm-tools", "swtpm-tools");
const PACKER: Requirement = tool("dpkg-deb", "dpkg", "dpkg");
/// The static release build links this library. The compiler's package brings it on Debian, and not
/// on Fedora.
const STATIC_LIBRARY: Requirement =
    other("static C library", Library("libc.a"), "libc6-dev", "glibc-static");

/// A program on the search path that has the tool's name.
const fn tool(name: &'static str, debian: &'static str, fedora: &'static str) -> Requirement {
    other(name, Executable(name), debian, fedora)
}

const fn other(
    name: &'static str,
    evidence: Evidence,
    debian: &'static str,
    fedora: &'static str,
) -> Requirement {
    Requirement { name, evidence, debian, fedora }
}

/// Returns the tools that are not found with this search path.
pub(crate) fn missing(required: &'static [Requirement], path: &OsStr) -> Vec<&'static Requirement> {
    required.iter().filter(|requirement| !requirement.evidence.is_on(path)).collect()
}

/// Returns the program that a shell with this search path would run.
pub(crate) fn executable(name: &str, path: &OsStr) -> Option<PathBuf> {
    executables(name, path).next()
}

fn executables(name: &str, path: &OsStr) -> impl Iterator<Item = PathBuf> {
    env::split_paths(path).map(move |folder| folder.join(name)).filter(|file| is_executable(file))
}

impl Evidence {
    fn is_on(&self, path: &OsStr) -> bool {
        match self {
            Executable(name) => executable(name, path).is_some(),
            OpensslModule(file) => {
                answer("openssl", &["version", "-m"], path).is_some_and(|answer| {
                    modules_folder(&answer).is_some_and(|folder| folder.join(file).is_file())
                })
            }
            // A compiler that does not find the file repeats the bare name.
            Library(file) => answer("cc", &[&format!("-print-file-name={file}")], path)
                .is_some_and(|answer| {
                    let found = Path::new(answer.trim());
                    found.is_absolute() && found.is_file()
                }),
            PythonModule(module) => executables("python3", path).any(|python| {
                process::succeeds(Command::new(python).args(["-c", &format!("import {module}")]))
            }),
            PostgresProgram(name) => {
                let folders = env::split_paths(path).flat_map(|folder| postgres_folders(&folder));
                executable(name, path).is_some()
                    || folders.into_iter().any(|folder| is_executable(&folder.join(name)))
            }
        }
    }
}

/// Returns the folder of each version of PostgreSQL's server beside a folder of programs.
fn postgres_folders(programs: &Path) -> Vec<PathBuf> {
    let versions = programs.with_file_name("lib").join("postgresql").read_dir();
    versions.into_iter().flatten().flatten().map(|version| version.path().join("bin")).collect()
}

fn answer(program: &str, arguments: &[&str], path: &OsStr) -> Option<String> {
    let program = executable(program, path)?;
    process::output(Command::new(program).args(arguments)).ok()
}

/// Returns the folder in `MODULESDIR: "/usr/lib/ossl-modules"`.
fn modules_folder(answer: &str) -> Option<&Path> {
    let quoted = answer.trim().strip_prefix("MODULESDIR:")?.trim();
    Some(Path::new(quoted.trim_matches('"')))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const TOOLS: [&str; 8] = [
        "dpkg-deb",
        "swtpm",
        "swtpm_setup",
        "systemd-socket-activate",
        "tpm2_load",
        "initdb",
        "node",
        "npm",
    ];

    fn names(path: &Path) -> Vec<&'static str> {
        missing(FOR_TESTS, path.as_os_str()).iter().map(|missing| missing.name).collect()
    }

    fn install(folder: &Path, name: &str, script: &str) {
        // A child process writes the file. If we had the file open for writing while another test
        // starts a program, that program would hold it for a moment, and running the file would
        // fail (ETXTBSY).
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh"]).arg(folder.join(name)).arg(script);
        assert!(shell.status().unwrap().success(), "{name}");
    }

    fn machine_with_everything() -> TempDir {
        let machine = tempfile::tempdir().unwrap();
        let folder = machine.path();
        for name in TOOLS {
            install(folder, name, "exit 1");
        }
        let shown = folder.display();
        install(folder, "openssl", &format!("echo 'MODULESDIR: \"{shown}\"'"));
        install(folder, "cc", &format!("echo '{shown}/libc.a'"));
        install(folder, "python3", "exit 0");
        fs::write(folder.join("tpm2.so"), "").unwrap();
        fs::write(folder.join("libc.a"), "").unwrap();
        machine
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        assert_eq!(names(machine_with_everything().path()), [""; 0]);
    }

    #[test]
    fn everything_is_missing_on_an_empty_path() {
        for required in [FOR_DEMO, FOR_TESTS, FOR_ORDEAL, FOR_PACKAGING] {
            assert_eq!(missing(required, OsStr::new("")).len(), required.len());
        }
    }

    #[test]
    fn each_tool_is_missed_alone() {
        for name in TOOLS {
            let machine = machine_with_everything();
            fs::remove_file(machine.path().join(name)).unwrap();
            let name = if name == "initdb" { "PostgreSQL's server" } else { name };
            assert_eq!(names(machine.path()), [name]);
        }
    }

    #[test]
    fn a_server_beside_the_programs_is_found_too() {
        let machine = machine_with_everything();
        let programs = machine.path().join("bin");
        fs::create_dir(&programs).unwrap();
        for entry in fs::read_dir(machine.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() && entry.file_name() != "initdb" {
                fs::rename(entry.path(), programs.join(entry.file_name())).unwrap();
            }
        }
        let shown = programs.display();
        install(&programs, "openssl", &format!("echo 'MODULESDIR: \"{shown}\"'"));
        install(&programs, "cc", &format!("echo '{shown}/libc.a'"));
        assert_eq!(names(&programs), ["PostgreSQL's server"]);
        let version = machine.path().join("lib/postgresql/15/bin");
        fs::create_dir_all(&version).unwrap();
        fs::rename(machine.path().join("initdb"), version.join("initdb")).unwrap();
        assert_eq!(names(&programs), [""; 0]);
    }

    #[test]
    fn a_file_that_cannot_be_executed_and_a_folder_are_not_tools() {
        let machine = machine_with_everything();
        let swtpm = machine.path().join("swtpm");
        fs::set_permissions(&swtpm, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(names(machine.path()), ["swtpm"]);
        fs::remove_file(&swtpm).unwrap();
        fs::create_dir(&swtpm).unwrap();
        assert_eq!(names(machine.path()), ["swtpm"]);
    }

    #[test]
    fn the_provider_is_missed_by_its_file_and_with_openssl() {
        let machine = machine_with_everything();
        fs::remove_file(machine.path().join("tpm2.so")).unwrap();
        assert_eq!(names(machine.path()), ["OpenSSL's tpm2 provider"]);
        fs::remove_file(machine.path().join("openssl")).unwrap();
        assert_eq!(names(machine.path()), ["openssl", "OpenSSL's tpm2 provider"]);
    }

    #[test]
    fn a_library_that_the_compiler_only_repeats_is_missing() {
        let machine = machine_with_everything();
        install(machine.path(), "cc", "echo libc.a");
        assert_eq!(names(machine.path()), ["static C library"]);
    }

    #[test]
    fn a_module_may_belong_to_a_later_python() {
        let (first, machine) = (tempfile::tempdir().unwrap(), machine_with_everything());
        let missed = |order: [&Path; 2]| {
            let path = env::join_paths(order).unwrap();
            let missed = missing(FOR_TESTS, &path);
            missed.iter().map(|missing| missing.name).collect::<Vec<_>>()
        };
        let only_for = r#"[ "$2" = 'import cryptography' ]"#;
        install(machine.path(), "python3", only_for);
        install(first.path(), "python3", "exit 1");
        assert_eq!(missed([first.path(), machine.path()]), [""; 0]);
        install(machine.path(), "python3", "exit 1");
        assert_eq!(missed([first.path(), machine.path()]), ["Python's cryptography"]);
    }

    #[test]
    fn each_requirement_has_packages_of_its_own() {
        for required in [FOR_DEMO, FOR_TESTS, FOR_ORDEAL, FOR_PACKAGING] {
            let packages = |of: fn(&Requirement) -> &'static str| {
                required.iter().map(of).collect::<BTreeSet<_>>().len()
            };
            assert_eq!(packages(|requirement| requirement.debian), required.len());
            assert_eq!(packages(|requirement| requirement.fedora), required.len());
        }
    }
}
