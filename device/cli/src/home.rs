//! Where the home folder is, and what to do if the folder cannot be used.

use std::env;
use std::path::PathBuf;

use device_key_private_fs::{PrivateDir, PrivateFsError};

use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// Where the service of the machine keeps its state (Filesystem Hierarchy Standard 3.0,
/// section 5.8).
const OF_SYSTEM_SERVICE: &str = "/var/lib/device-key";

/// The home folder that the settings name, or the user's default (XDG Base Directory
/// Specification).
fn locate(settings: &Settings) -> Result<PathBuf, Failure> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_service = || settings.is_system_service().then(|| PathBuf::from(OF_SYSTEM_SERVICE));
    let asked = settings.home.clone().or_else(of_service);
    asked
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("device-key")))
        .or_else(|| Some(absolute("HOME")?.join(".local/state/device-key")))
        .ok_or_else(|| Failure {
            exit: Exit::StateUnusable,
            what: "there is no home folder".to_owned(),
            cause: "neither XDG_STATE_HOME nor HOME names a folder".to_owned(),
            fix: Some("give --home FOLDER or set DEVICE_KEY_HOME".to_owned()),
        })
}

/// Opens the home folder, and creates the folder if it is missing.
pub(crate) fn open(settings: &Settings) -> Result<PrivateDir, Failure> {
    PrivateDir::open_or_create(&locate(settings)?).map_err(|error| unusable(&error))
}

/// Why the home folder, or a file in it, cannot be used, and what to do about it.
pub(crate) fn unusable(error: &PrivateFsError) -> Failure {
    Failure {
        exit: Exit::StateUnusable,
        what: "the home folder cannot be used".to_owned(),
        cause: device_key_types::ErrorChain(error).to_string(),
        fix: fix(error),
    }
}

fn fix(error: &PrivateFsError) -> Option<String> {
    Some(match error {
        PrivateFsError::WrongMode { path, expected, .. } => {
            format!("chmod {expected:04o} '{}'", path.display())
        }
        PrivateFsError::WrongOwner { path, expected, .. } => {
            format!("chown {expected} '{}', or choose another --home", path.display())
        }
        PrivateFsError::SymbolicLink { path, .. } | PrivateFsError::NotDirectory { path, .. } => {
            format!("choose a --home that is a real folder, unlike '{}'", path.display())
        }
        PrivateFsError::Io { path, .. } => {
            format!("make '{}' readable and writable for this user", path.display())
        }
        _ => return None,
    })
}
