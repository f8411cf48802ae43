//! The conditions on the program file and its libraries.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use device_key_private_fs::trusted::TrustError;

use crate::conditions::report::Fault;
use crate::conditions::service_user::ServiceUser;

const EXECUTABLE: &str = "/proc/self/exe";

/// The suffix that `/proc` adds to the path of a file that was deleted or replaced (proc(5)).
const DELETED_SUFFIX: &str = " (deleted)";

/// Checks the program file that this process runs, and the folders from which the next start will
/// load the program. The path may lead to another file now, for example after an upgrade. So this
/// function checks the running file through `/proc/self/exe`, not through its path.
pub(super) fn executable(service: ServiceUser) -> Result<(), Fault> {
    let unknown = |error: std::io::Error| Fault::unknown("the program file", error);
    let named = fs::read_link(EXECUTABLE).map_err(unknown)?;
    let path = without_suffix(&named);
    // The kernel resolves this link to the running file, even if its path leads to another file.
    let file = fs::metadata(EXECUTABLE).map_err(unknown)?;
    let policy = service.policy();
    policy
        .judge(file.uid(), file.mode())
        .map_err(|mistrust| TrustError::Untrusted { path: path.clone(), mistrust })?;
    policy.judge_path(path.parent().unwrap_or(Path::new("/")))?;
    Ok(())
}

/// Checks every file whose code is mapped: the program and, if the program is dynamically linked,
/// its libraries.
pub(super) fn libraries(service: ServiceUser) -> Result<String, Fault> {
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(|error| Fault::unknown("the list of loaded libraries", error))?;
    let executable =
        fs::read_link(EXECUTABLE).map_err(|error| Fault::unknown("the program file", error))?;
    let code: BTreeSet<&Path> = maps.lines().filter_map(code_file).collect();
    let libraries = code.into_iter().filter(|path| *path != executable);
    let mut count = 0_usize;
    for library in libraries {
        service.policy().judge_path(library)?;
        count = count.saturating_add(1);
    }
    Ok(match count {
        0 => format!("only root and the service can change {}", executable.display()),
        count => format!(
            "only root and the service can change {} and {count} libraries",
            executable.display()
        ),
    })
}

fn without_suffix(path: &Path) -> PathBuf {
    let text = path.to_str().and_then(|text| text.strip_suffix(DELETED_SUFFIX));
    text.map_or_else(|| path.to_owned(), PathBuf::from)
}

/// Returns the path from a line of `/proc/PID/maps` (proc(5)) if the line maps a file as code. A
/// line consists of address, permissions, offset, device, inode and, if a file is mapped, its path.
fn code_file(line: &str) -> Option<&Path> {
    let (_, permissions) = line.split_once(' ')?;
    let path = line.get(line.find('/')?..)?;
    let is_code = permissions.as_bytes().get(2) == Some(&b'x');
    is_code.then(|| Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executable_mappings_of_files_count_as_code() {
        let library = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        let line = |permissions| format!("7f00-7f10 {permissions} 00028000 fe:00 123    {library}");
        assert_eq!(code_file(&line("r-xp")), Some(Path::new(library)));
        assert_eq!(code_file(&line("r--p")), None);
        assert_eq!(code_file("7ffd-7fff r-xp 00000000 00:00 0    [vdso]"), None);
    }

    #[test]
    fn the_deleted_suffix_is_removed_from_the_path() {
        assert_eq!(without_suffix(Path::new("/usr/bin/a (deleted)")), Path::new("/usr/bin/a"));
        assert_eq!(without_suffix(Path::new("/usr/bin/a")), Path::new("/usr/bin/a"));
    }
}
