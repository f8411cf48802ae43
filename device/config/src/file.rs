//! Finds and loads the configuration file.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::ConfigError;
use crate::trusted_file;

/// The path of the configuration file, and whether the file must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// The operator named this file, so it must exist.
    Named(PathBuf),
    /// The default file, which is read if it exists.
    Default(PathBuf),
}

impl ConfigFile {
    /// Returns the file that was named with `--config` or `DEVICE_KEY_CONFIG`. If no file was
    /// named, returns the first of these files:
    ///
    /// 1. `$CONFIGURATION_DIRECTORY/config.toml`. systemd sets this variable for a unit with
    ///    `ConfigurationDirectory=device-key`: to `/etc/device-key` for a system service and to the
    ///    user's own folder for a user service (systemd.exec(5)). If the variable lists several
    ///    folders, the first folder counts.
    /// 2. `$XDG_CONFIG_HOME/device-key/config.toml`
    /// 3. `$HOME/.config/device-key/config.toml`
    ///
    /// Relative paths in variables are ignored, as the XDG Base Directory Specification requires.
    /// If none of the variables is set, there is no configuration. `variable` reads the
    /// environment.
    pub fn locate(
        asked: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Option<Self> {
        if let Some(path) = asked {
            return Some(Self::Named(path.to_owned()));
        }
        let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
        let folder = |name| absolute(variable(name)?.into());
        let of_unit = || absolute(env::split_paths(&variable("CONFIGURATION_DIRECTORY")?).next()?);
        of_unit()
            .or_else(|| Some(folder("XDG_CONFIG_HOME")?.join("device-key")))
            .or_else(|| Some(folder("HOME")?.join(".config/device-key")))
            .map(|folder| Self::Default(folder.join("config.toml")))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        let (Self::Named(path) | Self::Default(path)) = self;
        path
    }

    /// Reads the file. Returns `None` if it is the default file and does not exist.
    ///
    /// The file and every folder above it must belong to root or to the effective user, and nobody
    /// else may be able to write them, even if the sticky bit is set. None of them may be a
    /// symbolic link. The file must be a regular file with one name and at most 64 KiB. These
    /// checks are made on open descriptors, and the text is read from the descriptor that was
    /// checked.
    pub fn load(&self) -> Result<Option<Config>, ConfigError> {
        let Some(text) = trusted_file::read(self.path())? else {
            return match self {
                Self::Named(path) => Err(ConfigError::NotFound { path: path.clone() }),
                Self::Default(_) => Ok(None),
            };
        };
        let path = || self.path().to_owned();
        let text = String::from_utf8(text).map_err(|_| ConfigError::NotText { path: path() })?;
        match text.parse() {
            Ok(config) => Ok(Some(config)),
            Err(invalid) => Err(ConfigError::Invalid { path: path(), invalid }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(asked: Option<&str>, variables: &[(&str, &str)]) -> Option<ConfigFile> {
        ConfigFile::locate(asked.map(Path::new), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn variables_are_read_in_the_documented_order() {
        let all = [
            ("CONFIGURATION_DIRECTORY", "/etc/device-key:/etc/more"),
            ("XDG_CONFIG_HOME", "/xdg"),
            ("HOME", "/home/me"),
        ];
        let named = Some(ConfigFile::Named("some/file".into()));
        assert_eq!(locate(Some("some/file"), &all), named);
        let default = |path: &str| Some(ConfigFile::Default(path.into()));
        assert_eq!(locate(None, &all), default("/etc/device-key/config.toml"));
        let [_, xdg, home] = all;
        assert_eq!(locate(None, &[xdg, home]), default("/xdg/device-key/config.toml"));
        assert_eq!(locate(None, &[home]), default("/home/me/.config/device-key/config.toml"));
        assert_eq!(locate(None, &[]), None);
    }

    #[test]
    fn relative_paths_in_variables_are_ignored() {
        for relative in ["", "relative", ":/etc/device-key"] {
            let variables = [
                ("CONFIGURATION_DIRECTORY", relative),
                ("XDG_CONFIG_HOME", relative),
                ("HOME", relative),
            ];
            assert_eq!(locate(None, &variables), None, "{relative:?}");
        }
    }
}
