//! The key files and their secrets on disk.

use std::collections::BTreeSet;

use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_types::DeviceKeyId;

use crate::error::OperationError;
use crate::key_file::{Authorization, KeyFile, MAX_FILE_BYTES, file_name, key_id};
use crate::key_secret::KeySecret;
use crate::key_secrets::KeySecrets;

const SUFFIX: &str = ".pem";

/// The keys on disk. Each key has a file and, if it needs a secret, the secret in another folder.
///
/// The secret is stored before its key and removed before its key. If the process is killed at any
/// point, either a secret without a key or a revoked key remains. Both are listed, and are removed
/// like a whole key.
pub(crate) struct StoredKeys {
    files: PrivateDir,
    secrets: Option<KeySecrets>,
}

impl StoredKeys {
    pub(crate) const fn new(files: PrivateDir) -> Self {
        Self { files, secrets: None }
    }

    pub(crate) fn with_secrets(self, secrets: KeySecrets) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Generates the secret of a new key. Returns `None` if there is no folder for secrets.
    pub(crate) fn new_secret(&self) -> Result<Option<KeySecret>, OperationError> {
        Ok(self.secrets.as_ref().map(|_| KeySecret::generate()).transpose()?)
    }

    /// Stores a new key and its secret. Fails and changes nothing if either file exists already.
    pub(crate) fn create_new(
        &self,
        key_id: &DeviceKeyId,
        file: &KeyFile,
        secret: Option<&KeySecret>,
    ) -> Result<(), OperationError> {
        let name = file_name(key_id, SUFFIX)?;
        let pem = file.to_pem()?;
        let secret = secret.zip(self.secrets.as_ref());
        if let Some((secret, secrets)) = secret {
            secrets.create_new(key_id, secret)?;
        }
        self.files.create_new(&name, pem.as_bytes()).inspect_err(|_| {
            if let Some((_, secrets)) = secret {
                // This call made the secret, so no other key uses it. If the secret cannot be
                // removed now, it is removed when the key is deleted.
                let _ = secrets.remove(key_id);
            }
        })?;
        Ok(())
    }

    /// Reads a key and, if its file asks for a secret, the secret.
    pub(crate) fn read(
        &self,
        key_id: &DeviceKeyId,
    ) -> Result<(KeyFile, Option<KeySecret>), OperationError> {
        let file = self.read_file(key_id)?;
        let secret = match (file.authorization, &self.secrets) {
            (Authorization::Empty, _) => None,
            (Authorization::Secret, Some(secrets)) => Some(secrets.read(key_id)?),
            (Authorization::Secret, None) => return Err(OperationError::NoSecretsFolder),
        };
        Ok((file, secret))
    }

    fn read_file(&self, key_id: &DeviceKeyId) -> Result<KeyFile, OperationError> {
        let read = self.files.read(&file_name(key_id, SUFFIX)?, MAX_FILE_BYTES);
        let bytes = read.map_err(|error| match error {
            PrivateFsError::NotFound { .. } => OperationError::NoKeyFile,
            error => OperationError::Folder(error),
        })?;
        Ok(KeyFile::from_pem(&bytes)?)
    }

    /// Whether the key's secret exists. This takes three system calls, so every signature can check
    /// it.
    pub(crate) fn has_secret(&self, key_id: &DeviceKeyId) -> Result<bool, OperationError> {
        self.secrets.as_ref().map_or(Ok(false), |secrets| secrets.contains(key_id))
    }

    /// Removes a key, or the parts of a key that a killed process left. The secret is removed
    /// first, so the key is revoked even if the removal of the key file fails.
    pub(crate) fn remove(&self, key_id: &DeviceKeyId) -> Result<(), OperationError> {
        match &self.secrets {
            Some(secrets) => secrets.remove(key_id)?,
            // Removing only the file of a key with a secret would not revoke the key.
            None => match self.read_file(key_id) {
                Ok(file) if file.authorization == Authorization::Secret => {
                    return Err(OperationError::NoSecretsFolder);
                }
                _ => {}
            },
        }
        self.files.remove(&file_name(key_id, SUFFIX)?)?;
        Ok(())
    }

    /// Every key of which a part is stored, in ascending order.
    pub(crate) fn list(&self) -> Result<Vec<DeviceKeyId>, OperationError> {
        let files = self.files.list()?;
        let with_file = files.iter().filter_map(|file| key_id(file, SUFFIX));
        let with_secret = self.secrets.as_ref().map_or_else(|| Ok(Vec::new()), KeySecrets::list)?;
        let key_ids: BTreeSet<DeviceKeyId> = with_file.chain(with_secret).collect();
        Ok(key_ids.into_iter().collect())
    }
}
