//! The condition on the configuration files of the service.

use std::path::PathBuf;

use crate::conditions::report::Fault;
use crate::conditions::service_user::ServiceUser;

/// Checks that nobody but root and the service can change the configuration files, or create a
/// configuration file that does not exist yet.
pub(super) fn all(paths: &[PathBuf], service: ServiceUser) -> Result<String, Fault> {
    for path in paths {
        if !path.is_absolute() {
            let found = format!("{} is not an absolute path", path.display());
            return Err(Fault::new(found, "give the absolute path of the configuration file"));
        }
        match service.policy().judge_path(path) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(match paths {
        [] => "there are no configuration files".into(),
        _ => "only root and the service can change the configuration".into(),
    })
}
