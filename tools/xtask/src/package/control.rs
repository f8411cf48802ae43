//! The fields of the control file that depend on the build (Debian Policy, chapter 5).

use anyhow::bail;

/// The revision of the packaging. It rises if the packaging changes and the program does not, and
/// starts at 1 with each version.
const REVISION: u32 = 1;

/// Returns Debian's name for the architecture of this machine, for which the binary is built.
pub(crate) fn architecture() -> anyhow::Result<&'static str> {
    Ok(match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("there is no package for {other}"),
    })
}

/// Returns the version of the package. A pre-release sorts before its release (Debian Policy,
/// 5.6.12).
pub(crate) fn version(cargo: &str) -> String {
    format!("{}-{REVISION}", cargo.replacen('-', "~", 1))
}

/// Returns the whole control file. `installed_kibibytes` is the size of the installed files.
pub(crate) fn file(
    fixed: &str,
    version: &str,
    architecture: &str,
    installed_kibibytes: u64,
) -> String {
    // The order of the fields has no meaning. These come first, because the description must be
    // last.
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
            file(fixed, "0.1.0-1", "amd64", 7),
            "Package: p\nVersion: 0.1.0-1\nArchitecture: amd64\nInstalled-Size: 7\n\
             Description: d\n more\n"
        );
    }
}
