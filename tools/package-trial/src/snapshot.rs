//! Records every path of a system with its kind, mode and owner.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use crate::debian::Debian;

/// The files in which package managers keep notes about every package.
const NOT_OURS: [&str; 8] = [
    "/var/lib/dpkg/",
    "/var/log/",
    "/etc/.pwd.lock",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/tmp/",
];

/// Every path, with the rest of its line in the format of [`expected`](crate::expected).
#[derive(Debug)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    pub(crate) fn of(debian: &Debian) -> anyhow::Result<Self> {
        let find = ["/", "-xdev", "-printf", "%p\\t%y %m %u %g %l\\n"];
        let lines = debian.output("find", &find)?;
        let entries = lines.lines().map(|line| {
            let (path, rest) = line.split_once('\t').with_context(|| line.to_owned())?;
            Ok((path.to_owned(), rest.trim_end().to_owned()))
        });
        let entries = entries.filter(|entry: &anyhow::Result<(String, String)>| {
            !entry.as_ref().is_ok_and(|(path, _)| is_of_package_managers(path))
        });
        Ok(Self(entries.collect::<anyhow::Result<_>>()?))
    }

    /// Fails unless this snapshot is `before` plus exactly the expected lines, `PATH KIND MODE USER
    /// GROUP`, with `-> TARGET` after a link.
    pub(crate) fn expect(&self, before: &Self, expected: &[&str]) -> anyhow::Result<()> {
        let mut wanted = before.0.clone();
        for line in expected {
            let (path, rest) = line.split_once(' ').with_context(|| (*line).to_owned())?;
            wanted.insert(path.to_owned(), rest.replace("-> ", ""));
        }
        let mut faults = String::new();
        for (path, what) in &self.0 {
            if wanted.get(path) != Some(what) {
                // Writing to a String cannot fail.
                let _ = write!(faults, "\n  is:     {path} {what}");
            }
        }
        for (path, what) in &wanted {
            if self.0.get(path) != Some(what) {
                let _ = write!(faults, "\n  wanted: {path} {what}");
            }
        }
        ensure!(faults.is_empty(), "the files are not as expected:{faults}");
        Ok(())
    }
}

fn is_of_package_managers(path: &str) -> bool {
    NOT_OURS.iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(entries: &[(&str, &str)]) -> Snapshot {
        let owned = |(path, what): &(&str, &str)| ((*path).to_owned(), (*what).to_owned());
        Snapshot(entries.iter().map(owned).collect())
    }

    #[test]
    fn exactly_the_expected_changes_pass() {
        let before = snapshot(&[("/a", "f 644 root root")]);
        let after = snapshot(&[
            ("/a", "f 644 root root"),
            ("/b", "d 755 root root"),
            ("/l", "l 777 root root /b"),
        ]);
        let both = ["/b d 755 root root", "/l l 777 root root -> /b"];
        after.expect(&before, &both).unwrap();
        before.expect(&before, &[]).unwrap();
        let fails = |is: &Snapshot, expected: &[&str]| is.expect(&before, expected).is_err();
        assert!(fails(&after, &both[..1]), "something more");
        assert!(fails(&before, &both), "something less");
        assert!(fails(&after, &["/b d 700 root root", both[1]]), "another mode");
        assert!(fails(&after, &[both[0], "/l l 777 root root -> /a"]), "another target");
        assert!(snapshot(&[]).expect(&before, &[]).is_err(), "something that was there is gone");
    }
}
