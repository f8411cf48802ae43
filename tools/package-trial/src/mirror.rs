//! Where this machine gets Debian from.

use std::process::Command;

use anyhow::ensure;
use device_key_process as process;

/// The mirrors that apt uses for this suite, in its order. Some may be of others than Debian;
/// debootstrap finds that out by their signatures.
pub(crate) fn configured(suite: &str) -> anyhow::Result<Vec<String>> {
    // Of all ways to ask apt for its sources, this one reads both of their formats and needs no
    // lists that were fetched before.
    let uris = process::output(Command::new("apt-get").args(["update", "--print-uris"]))?;
    let mirrors = mirrors(&uris, suite);
    ensure!(!mirrors.is_empty(), "apt knows no mirror of Debian {suite}; name one with --mirror");
    Ok(mirrors)
}

/// From lines such as `'https://host/debian/dists/suite/InRelease' name 0`.
fn mirrors(uris: &str, suite: &str) -> Vec<String> {
    let release = format!("/dists/{suite}/InRelease'");
    uris.lines()
        .filter_map(|line| line.strip_prefix('\'')?.split_once(&release))
        .map(|(mirror, _)| mirror)
        // What debootstrap understands.
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
