//! The control file's fields that depend on the build (Debian Policy, chapter 5).

use std::fmt;

use anyhow::bail;

/// Rises when the packaging changes and the program does not; back to 1 with the next version.
const REVISION: u32 = 1;

/// A Debian architecture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Architecture(&'static str);

impl Architecture {
    /// Of this machine, for which the binary is built.
    pub(crate) fn of_this_machine() -> anyhow::Result<Self> {
        Ok(Self(match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("there is no package for {other}"),
        }))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// The package's version: a pre-release stands before its release (Debian Policy, 5.6.12).
pub(crate) fn version(cargo: &str) -> String {
    format!("{}-{REVISION}", cargo.replacen('-', "~", 1))
}

/// The whole control file. `installed_kibibytes` is what the files take once they are installed.
pub(crate) fn file(
    fixed: &str,
    version: &str,
    architecture: Architecture,
    installed_kibibytes: u64,
) -> String {
    // The order of fields means nothing; these stand first, because the description is last.
    let (name, rest) = fixed.split_once('\n').unwrap_or((fixed, ""));
    format!(
        "{name}\nVersion: {version}\nArchitecture: {architecture}\n\
         Installed-Size: {installed_kibibytes}\n{rest}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pre_release_stands_before_its_release() {
        assert_eq!(version("0.1.0"), "0.1.0-1");
        assert_eq!(version("1.0.0-rc.1"), "1.0.0~rc.1-1");
    }

    #[test]
    fn the_builds_fields_join_the_fixed_ones() {
        let fixed = "Package: p\nDescription: d\n more\n";
        assert_eq!(
            file(fixed, "0.1.0-1", Architecture("amd64"), 7),
            "Package: p\nVersion: 0.1.0-1\nArchitecture: amd64\nInstalled-Size: 7\n\
             Description: d\n more\n"
        );
    }
}
