//! The folder of key secrets, which may be encrypted under a wrapping key.

use std::sync::Arc;

use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_types::DeviceKeyId;
use device_key_wrapping::{WrappedFiles, WrappingKey, is_wrapped};
use zeroize::Zeroizing;

use crate::error::{InvalidSecret, OperationError};
use crate::key_file::{file_name, key_id};
use crate::key_secret::KeySecret;

const SUFFIX: &str = ".secret";

/// The beginning of the context in which a secret is wrapped.
const PURPOSE: &str = "device-key-tpm-secret/v1";

/// The longest file that is accepted, in bytes.
const MAX_FILE_BYTES: usize = 256;

/// The secrets of keys. Each secret has its own file, in a folder apart from the keys.
///
/// A key does not sign without its secret. So a backup of the key files alone is useless, and
/// another program that may use the TPM cannot sign with the key. Removing a secret revokes its
/// key. The revocation is permanent if no copy of the secret is left.
#[derive(Debug)]
pub struct KeySecrets {
    folder: PrivateDir,
    wrapping_key: Option<Arc<WrappingKey>>,
}

impl KeySecrets {
    /// Keeps secrets in this folder, unencrypted. Their protection is that the folder belongs to
    /// another user than the clients.
    pub const fn in_folder(folder: PrivateDir) -> Self {
        Self { folder, wrapping_key: None }
    }

    /// Encrypts new secrets under this key, each for its own device key. So a copy of the folder
    /// alone is useless. Unencrypted secrets are still read. This is safe, because the TPM would
    /// refuse a forged secret.
    #[must_use]
    pub fn wrapped_by(mut self, key: impl Into<Arc<WrappingKey>>) -> Self {
        self.wrapping_key = Some(key.into());
        self
    }

    /// The secrets in this folder, to find out which wrapping key opens them, or to change the key.
    pub const fn wrapped_files(folder: PrivateDir) -> WrappedFiles {
        WrappedFiles::new(folder, SUFFIX, PURPOSE, MAX_FILE_BYTES)
    }

    /// Stores the secret of a new key, whole and durable, or not at all.
    pub(crate) fn create_new(
        &self,
        key_id: &DeviceKeyId,
        secret: &KeySecret,
    ) -> Result<(), OperationError> {
        let name = file_name(key_id, SUFFIX)?;
        match &self.wrapping_key {
            Some(key) => {
                let wrapped = key.wrap(&context(key_id), secret.as_bytes())?;
                self.folder.create_new(&name, &wrapped)?;
            }
            None => self.folder.create_new(&name, secret.as_bytes())?,
        }
        Ok(())
    }

    pub(crate) fn read(&self, key_id: &DeviceKeyId) -> Result<KeySecret, OperationError> {
        let read = self.folder.read(&file_name(key_id, SUFFIX)?, MAX_FILE_BYTES);
        let bytes = Zeroizing::new(read.map_err(|error| match error {
            PrivateFsError::NotFound { .. } => OperationError::NoSecret,
            error => OperationError::Folder(error),
        })?);
        Ok(self.open(key_id, &bytes)?)
    }

    /// Decrypts a secret if it is wrapped. The size tells whether a secret is wrapped, because any
    /// 32 bytes can be a secret.
    fn open(&self, key_id: &DeviceKeyId, stored: &[u8]) -> Result<KeySecret, InvalidSecret> {
        if let Some(secret) = KeySecret::from_bytes(stored) {
            return Ok(secret);
        }
        if !is_wrapped(stored) {
            return Err(InvalidSecret::Size);
        }
        let key = self.wrapping_key.as_ref().ok_or(InvalidSecret::NoWrappingKey)?;
        let secret = key.unwrap(&context(key_id), stored)?;
        KeySecret::from_bytes(&secret).ok_or(InvalidSecret::Size)
    }

    /// Whether the key still has its secret.
    pub(crate) fn contains(&self, key_id: &DeviceKeyId) -> Result<bool, OperationError> {
        Ok(self.folder.check_file_if_present(&file_name(key_id, SUFFIX)?)?)
    }

    /// Removes the secret, and the partial file of a killed writer. A missing secret is not an
    /// error.
    pub(crate) fn remove(&self, key_id: &DeviceKeyId) -> Result<(), OperationError> {
        self.folder.remove(&file_name(key_id, SUFFIX)?)?;
        Ok(())
    }

    /// Returns every key that has a secret in this folder.
    pub(crate) fn list(&self) -> Result<Vec<DeviceKeyId>, OperationError> {
        Ok(self.folder.list()?.iter().filter_map(|file| key_id(file, SUFFIX)).collect())
    }
}

/// The context of a wrapped secret, which makes the secret useless under another name.
fn context(key_id: &DeviceKeyId) -> Vec<u8> {
    format!("{PURPOSE} {key_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use device_key_wrapping::UnwrapError;

    use super::*;

    #[test]
    fn a_wrapped_secret_is_bound_to_its_key() {
        let home = tempfile::tempdir().unwrap();
        let folder = PrivateDir::open_or_create(&home.path().join("secrets")).unwrap();
        let wrapping_key = WrappingKey::from_bytes([7; 32]);
        let secrets = KeySecrets::in_folder(folder.clone()).wrapped_by(wrapping_key);
        let [key, other] = [1, 2].map(|byte| DeviceKeyId::from_random_bytes([byte; 32]));
        let secret = KeySecret::generate().unwrap();
        secrets.create_new(&key, &secret).unwrap();
        assert_eq!(secrets.read(&key).unwrap().as_bytes(), secret.as_bytes());

        let stored = folder.read(&file_name(&key, SUFFIX).unwrap(), MAX_FILE_BYTES).unwrap();
        folder.create_new(&file_name(&other, SUFFIX).unwrap(), &stored).unwrap();
        let error = secrets.read(&other).unwrap_err();
        let is_not_authentic = matches!(
            error,
            OperationError::Secret(InvalidSecret::Unwrap(UnwrapError::NotAuthentic))
        );
        assert!(is_not_authentic, "{error:?}");
    }
}
