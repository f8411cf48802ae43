//! The key files and their secrets on disk.

use std::collections::BTreeSet;

use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_types::DeviceKeyId;

use crate::error::OperationError;
use crate::key_file::{Authorization, KeyFile, MAX_FILE_BYTES, file_name, key_id};
use crate::key_secret::KeySecret;
use crate::key_secrets::KeySecrets;

const SUFFIX: &str = ".pem";

/// The keys on disk: a file for each and, if it has one, its secret in another folder.
///
/// A secret is there before its key and goes before it. Killed at any point, we leave a secret that
/// belongs to nothing or a key that is revoked; both are listed, and removed like a whole key.
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

    /// The secret of a key that is to be made here; none where there is no place for it.
    pub(crate) fn new_secret(&self) -> Result<Option<KeySecret>, OperationError> {
        Ok(self.secrets.as_ref().map(|_| KeySecret::generate()).transpose()?)
    }

    /// Stores a new key and its secret. A name that is taken by either stays as it is.
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
                // Made just now, so it is no other key's; what stays is removed with the key.
                let _ = secrets.remove(key_id);
            }
        })?;
        Ok(())
    }

    /// A key, and the secret that its file asks for.
    pub(crate) fn read(
        &self,
        key_id: &DeviceKeyId,
    ) -> Result<(KeyFile, Option<KeySecret>), OperationError> {
        let file = self.read_file(key_id)?;
        let secret = match (file.authorization, &self.secrets) {
            (Authorization::Empty, _) => None,
            (Authorization::Secret, Some(secrets)) => Some(secrets.read(key_id)?),
            (Authorization::Secret, None) => return Err(OperationError::NoPlaceForSecrets),
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

    /// Whether the key's secret is there: three system calls, so that each signature can ask.
    pub(crate) fn has_secret(&self, key_id: &DeviceKeyId) -> Result<bool, OperationError> {
        self.secrets.as_ref().map_or(Ok(false), |secrets| secrets.contains(key_id))
    }

    /// Removes a key, and what a dead process left of one. With the secret gone it is revoked,
    /// whatever becomes of the rest.
    pub(crate) fn remove(&self, key_id: &DeviceKeyId) -> Result<(), OperationError> {
        match &self.secrets {
            Some(secrets) => secrets.remove(key_id)?,
            // A key that is removed without its secret is forgotten here, and not revoked.
            None => match self.read_file(key_id) {
                Ok(file) if file.authorization == Authorization::Secret => {
                    return Err(OperationError::NoPlaceForSecrets);
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
