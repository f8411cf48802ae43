//! Reading a configuration file that nobody but root and the user of this process can have written.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use device_key_private_fs::trusted::{PathRule, ROOT, TrustPolicy, WRITABLE_BY_OTHERS};
use rustix::process::geteuid;

use crate::error::ConfigError;

/// The longest configuration file. A configuration with every key is much shorter.
const MAX_BYTES: usize = 64 * 1024;

/// Returns the contents, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    let policy = TrustPolicy { owners: &[ROOT, geteuid().as_raw()], forbidden: WRITABLE_BY_OTHERS };
    match policy.read(path, PathRule::TrustedFolders, MAX_BYTES) {
        Ok(contents) => Ok(Some(contents)),
        // The folders need not be trusted if the file does not exist. Whoever may write in these
        // folders cannot create a file that is trusted.
        Err(_) if !exists(path) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the path exists. A symbolic link exists even if its target does not.
fn exists(path: &Path) -> bool {
    let found = fs::symlink_metadata(path).map_err(|error| error.kind());
    !matches!(found, Err(ErrorKind::NotFound | ErrorKind::NotADirectory))
}
