//! The secrets of a home folder that may be wrapped, and their wrapping key.

use device_key_private_fs::PrivateDir;
use device_key_provider_os::wrapped_key_files;
use device_key_provider_tpm::KeySecrets;
use device_key_wrapping::{WrappedCount, WrappedFiles, WrappingKey};
use tracing::warn;

use crate::builder::{HostBuilder, Keystore, RunsAs, folder};
use crate::error::HostError;

impl HostBuilder {
    /// Wraps the secrets in this home, which are wrapped under `old`, under the key in the folder
    /// of [`credentials`](Self::credentials). No host may have the home open. After an
    /// interruption, call this again. Secrets that are not wrapped stay as they are.
    ///
    /// Returns how many secrets the new key opens now. Secrets that neither key opens stay as they
    /// are.
    pub fn rewrap(&self, home: &PrivateDir, old: &WrappingKey) -> Result<WrappedCount, HostError> {
        let new = self.wrapping_key()?.ok_or(HostError::NoWrappingKey)?;
        let mut count = WrappedCount::default();
        for files in self.wrapped_files(home)? {
            count += files.rewrap(old, &new).map_err(HostError::Rewrap)?;
        }
        Ok(count)
    }

    /// Fails if there are wrapped secrets and the wrapping key opens none of them. A new secret
    /// would then be plain, or wrapped under another key than the earlier secrets.
    /// [`open`](Self::open) requires this too.
    ///
    /// If the key opens only some of the secrets, the others are damaged, or a rewrap did not
    /// finish. The host can serve the keys of the secrets that open.
    pub fn require_right_wrapping_key(&self, home: &PrivateDir) -> Result<(), HostError> {
        let key = self.wrapping_key()?;
        let mut count = WrappedCount::default();
        for files in self.wrapped_files(home)? {
            count += files.count(key.as_ref()).map_err(HostError::Home)?;
        }
        match count {
            WrappedCount { closed: 0, .. } => {}
            WrappedCount { opened: 0, closed, .. } => {
                return Err(HostError::OtherWrappingKey { keys: closed, is_given: key.is_some() });
            }
            WrappedCount { opened, closed, .. } => warn!(
                opened,
                closed,
                cure = "run device-key rewrap again if it was interrupted",
                "the wrapping key does not open some secrets"
            ),
        }
        Ok(())
    }

    fn wrapped_files(&self, home: &PrivateDir) -> Result<Vec<WrappedFiles>, HostError> {
        let keys = folder(home, "keys")?;
        let mut files = Vec::new();
        for keystore in &self.keystores {
            match (keystore, self.runs_as) {
                (Keystore::Tpm, RunsAs::ClientUser) => {}
                (Keystore::Tpm, RunsAs::ServiceUser) => {
                    files.push(KeySecrets::wrapped_files(folder(&keys, "tpm-secrets")?));
                }
                (Keystore::Os, _) => files.push(wrapped_key_files(folder(&keys, "os")?)),
            }
        }
        Ok(files)
    }
}
