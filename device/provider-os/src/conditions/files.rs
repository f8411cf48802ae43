use std::path::PathBuf;

use rustix::io::Errno;

use super::{Fault, Service, trust};

/// Files that the service obeys. One that does not exist must not be made by others either.
pub(super) fn all(paths: &[PathBuf], service: Service) -> Result<String, Fault> {
    for path in paths {
        if !path.is_absolute() {
            let found = format!("{} is not an absolute path", path.display());
            return Err(Fault::new(found, "give the configuration's absolute path"));
        }
        match trust::open(path) {
            Err(Errno::NOENT) => trust::folder_of(path, service)?,
            _ => trust::file(path, service)?,
        }
    }
    Ok(match paths {
        [] => "there are no configuration files".into(),
        _ => "only root and the service can change the configuration".into(),
    })
}
