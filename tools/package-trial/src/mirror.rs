//! Finds the mirrors from which this machine gets Debian.

use std::process::Command;

use anyhow::ensure;
use device_key_process as process;

/// Returns the mirrors that apt uses for this suite, in apt's order. Some may not be Debian's;
/// debootstrap finds that out by their signatures.
pub(crate) fn configured(suite: &str) -> anyhow::Result<Vec<String>> {
    // This way to ask apt for its sources reads both of their formats, and works before the first
    // `apt-get update`.
    let uris = process::output(Command::new("apt-get").args(["update", "--print-uris"]))?;
    let mirrors = mirrors(&uris, suite);
    ensure!(!mirrors.is_empty(), "apt knows no mirror of Debian {suite}; name one with --mirror");
    Ok(mirrors)
}

/// Reads the mirrors from lines such as `'https://host/debian/dists/suite/InRelease' name 0`.
fn mirrors(uris: &str, suite: &str) -> Vec<String> {
    let release = format!("/dists/{suite}/InRelease'");
    uris.lines()
        .filter_map(|line| line.strip_prefix('\'')?.split_once(&release))
        .map(|(mirror, _)| mirror)
        // debootstrap understands only these.
        .filter(|mirror| {
            ["http://", "https://", "file:/"].iter().any(|way| mirror.starts_with(way))
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirrors_of_exactly_this_suite_are_found() {
        let uris = "\
'http://one.example/debian/dists/stable/InRelease' one.example_debian_dists_stable_InRelease 0 
'http://one.example/debian/dists/stable-updates/InRelease' one.example_InRelease 0 
'cdrom:[Debian]/dists/stable/InRelease' cdrom 0 
'http://one.example/debian/dists/stable/main/binary-amd64/Packages.xz' packages 0 
'https://two.example/dists/stable/InRelease' two.example_dists_stable_InRelease 0 
";
        assert_eq!(mirrors(uris, "stable"), ["http://one.example/debian", "https://two.example"]);
        assert_eq!(mirrors(uris, "testing"), [""; 0]);
    }
}
