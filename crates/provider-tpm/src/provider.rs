use std::io;

use device_key::{
    CreatedKey, DeviceKeyProvider, KeyReference, LocalPeer, ProviderDescription, ProviderError,
    ProviderErrorKind, SignatureCheck, SigningInput,
};
use device_key_private_fs::{FileName, PrivateDir, PrivateFsError};
use device_key_tpm2::storage_key::Residence;
use device_key_types::{DeviceKeyId, ProtectionClass, PublicKey, Signature, TpmKind};

use crate::{
    KeyFile, TpmSettings,
    error::OperationError,
    key_file::MAX_FILE_BYTES,
    link::{Link, public_key},
    turns::Turns,
};

/// The provider's stable name, kept with each key.
pub const PROVIDER_NAME: &str = "tpm";

const FILE_SUFFIX: &str = ".pem";

/// Makes and uses device keys in one TPM.
pub struct TpmProvider {
    turns: Turns,
    keys: PrivateDir,
}

/// What is known of a TPM that can be used.
#[derive(Clone, Debug)]
pub struct TpmFacts {
    /// Four characters of the TCG vendor registry, as the TPM says.
    pub manufacturer: String,
    /// The vendor's text, as the TPM says.
    pub vendor: String,
    /// The vendor's firmware version, as the TPM says.
    pub firmware_version: u64,
    /// What that makes of it.
    pub kind: TpmKind,
    /// Whether the storage root key is, or could be made, persistent.
    pub has_persistent_parent: bool,
}

impl TpmProvider {
    /// Takes the TPM at an address, and a folder for key files of its own. Connects to nothing yet.
    pub fn new(settings: TpmSettings, keys: PrivateDir) -> Self {
        Self { turns: Turns::new(settings), keys }
    }

    /// Connects and reports what the TPM is.
    pub fn facts(&self) -> Result<TpmFacts, ProviderError> {
        Ok(self.turns.run(|link, deadline| {
            let properties = link.properties(deadline)?;
            Ok(TpmFacts {
                manufacturer: properties.manufacturer,
                vendor: properties.vendor,
                firmware_version: properties.firmware_version,
                kind: link.kind(),
                has_persistent_parent: link.residence() == Residence::Persistent,
            })
        })?)
    }

    fn read(&self, key_id: &DeviceKeyId) -> Result<KeyFile, OperationError> {
        let bytes =
            self.keys.read(&file_name(key_id)?, MAX_FILE_BYTES).map_err(|error| match error {
                PrivateFsError::NotFound { .. } => OperationError::NoKeyFile,
                error => OperationError::Folder(error),
            })?;
        Ok(KeyFile::from_pem(&bytes)?)
    }

    /// Runs an operation with the key loaded, having made sure that it is the key that was recorded.
    fn with_key<T>(
        &self,
        key: &KeyReference,
        operation: impl Fn(&mut Link, std::time::Instant) -> Result<T, OperationError>,
    ) -> Result<T, ProviderError> {
        Ok(self.turns.run(|link, deadline| {
            // Sessions are salted to the parent: an impostor's key in its place ends here.
            if key.storage_parent.as_ref() != Some(&link.parent_name()) {
                return Err(OperationError::OtherParent);
            }
            // A creation that failed to store its key may have left another one under this name.
            if link.loaded(&key.key_id) != Some(&key.public_key) {
                link.load(key.key_id, &self.read(&key.key_id)?, deadline)?;
            }
            if link.loaded(&key.key_id) != Some(&key.public_key) {
                return Err(OperationError::OtherKey);
            }
            operation(link, deadline)
        })?)
    }
}

impl DeviceKeyProvider for TpmProvider {
    fn description(&self) -> ProviderDescription {
        ProviderDescription {
            name: PROVIDER_NAME,
            protection_class: ProtectionClass::HardwareTpm,
            // A TPM runs one command at a time.
            concurrency: 1,
            signature_check: SignatureCheck::Each,
        }
    }

    fn presence(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        let settings = self.turns.settings();
        if settings.is_surely_simulated() && !settings.allow_simulated {
            return Err(OperationError::Simulated.into());
        }
        if !settings.is_present() {
            let absent = io::Error::from(io::ErrorKind::NotFound);
            return Err(ProviderError::new(ProviderErrorKind::HardwareUnavailable, absent));
        }
        Ok(())
    }

    /// Every local caller: the TPM is the same for all.
    fn serves(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        Ok(())
    }

    fn availability(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        // A kept connection proves nothing until it is used.
        Ok(self.turns.run(Link::prove_alive)?)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        let (file, tpm_kind, storage_parent) = self.turns.run(|link, deadline| {
            let file = link.create(deadline)?;
            link.load(*key_id, &file, deadline)?;
            Ok((file, link.kind(), link.parent_name()))
        })?;
        let pem = file.to_pem().map_err(OperationError::from)?;
        self.keys.create_new(&file_name(key_id)?, pem.as_bytes()).map_err(OperationError::from)?;
        Ok(CreatedKey {
            public_key: public_key(&file.public)?,
            tpm_kind: Some(tpm_kind),
            storage_parent: Some(storage_parent),
        })
    }

    fn public_key(&self, key: &KeyReference) -> Result<PublicKey, ProviderError> {
        self.with_key(key, |link, _| {
            link.loaded(&key.key_id).cloned().ok_or(OperationError::OtherKey)
        })
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        self.with_key(input.key(), |link, deadline| link.sign(input.sha256().as_bytes(), deadline))
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.turns.run_if_open(|link, deadline| match link.loaded(key_id) {
            Some(_) => link.unload(deadline),
            None => Ok(()),
        });
        self.keys.remove(&file_name(key_id)?).map_err(OperationError::from)?;
        Ok(())
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        let files = self.keys.list().map_err(OperationError::from)?;
        let mut ids: Vec<DeviceKeyId> = files
            .iter()
            .filter_map(|file| file.as_str().strip_suffix(FILE_SUFFIX)?.parse().ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

fn file_name(key_id: &DeviceKeyId) -> Result<FileName, OperationError> {
    Ok(format!("{key_id}{FILE_SUFFIX}").parse::<FileName>()?)
}
