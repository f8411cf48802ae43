//! The provider: makes, uses and deletes keys in one TPM.

use std::io;
use std::time::Instant;

use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, ProviderErrorKind, SignatureCheck, SigningInput,
};
use device_key_private_fs::PrivateDir;
use device_key_tpm2::storage_key::Residence;
use device_key_types::attestation::EndorsementKeyKind;
use device_key_types::{DeviceKeyId, ProtectionClass, Signature, TpmKind};

use crate::endorsement::certified;
use crate::error::OperationError;
use crate::key_secrets::KeySecrets;
use crate::link::{Link, public_key};
use crate::settings::TpmSettings;
use crate::stored_keys::StoredKeys;
use crate::turns::Turns;

/// The provider's stable name, which is stored with each key.
pub const PROVIDER_NAME: &str = "tpm";

/// Makes and uses device keys in one TPM.
pub struct TpmProvider {
    pub(crate) turns: Turns,
    pub(crate) keys: StoredKeys,
}

/// What is known about a usable TPM.
#[derive(Clone, Debug)]
pub struct TpmFacts {
    /// The manufacturer that the TPM reports: four characters of the TCG vendor registry.
    pub manufacturer: String,
    /// The vendor's text that the TPM reports.
    pub vendor: String,
    /// The vendor's firmware version that the TPM reports.
    pub firmware_version: u64,
    /// The kind of TPM that follows from these texts.
    pub kind: TpmKind,
    /// Whether the storage root key is, or could be made, persistent.
    pub has_persistent_parent: bool,
    /// The endorsement keys for which the TPM keeps a certificate, in the order in which they are
    /// tried.
    pub certified_endorsement_keys: Vec<EndorsementKeyKind>,
}

impl TpmProvider {
    /// Makes a provider for the TPM at an address. It stores its key files in `keys`, a folder of
    /// its own. This does not connect to the TPM yet.
    pub fn new(settings: TpmSettings, keys: PrivateDir) -> Self {
        Self { turns: Turns::new(settings), keys: StoredKeys::new(keys) }
    }

    /// Gives each new key a secret of its own, and reads the secrets of earlier keys from
    /// `secrets`. This is useful for a service with its own user. It does not protect against
    /// programs of the user that owns the files. Keys that were made without a secret stay as they
    /// are.
    #[must_use]
    pub fn with_secrets(mut self, secrets: KeySecrets) -> Self {
        self.keys = self.keys.with_secrets(secrets);
        self
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
                certified_endorsement_keys: certified(link, deadline)?,
            })
        })?)
    }

    /// Checks that the storage root key is the recorded parent of the key. Sessions are salted to
    /// the parent, so this refuses an impostor's storage root key before any message that depends
    /// on a secret is sent.
    pub(crate) fn require_parent(link: &Link, key: &KeyReference) -> Result<(), OperationError> {
        if key.storage_parent.as_ref() == Some(&link.parent_name()) {
            Ok(())
        } else {
            Err(OperationError::OtherParent)
        }
    }

    /// Loads the key, checks that it is the recorded key, and runs an operation with it.
    fn with_key<T>(
        &self,
        key: &KeyReference,
        operation: impl Fn(&mut Link, Instant) -> Result<T, OperationError>,
    ) -> Result<T, ProviderError> {
        Ok(self.turns.run(|link, deadline| {
            Self::require_parent(link, key)?;
            // The secret of a loaded key is in memory, but its file may be gone.
            if link.is_loaded_with_secret(&key.key_id) && !self.keys.has_secret(&key.key_id)? {
                link.unload(deadline)?;
            }
            // A creation that could not store its key may have left a different key loaded under
            // this id.
            if link.loaded(&key.key_id) != Some(&key.public_key) {
                let (file, secret) = self.keys.read(&key.key_id)?;
                link.load(key.key_id, &file, secret.as_ref(), deadline)?;
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

    /// The provider serves every local caller, because the TPM protects the keys of all callers
    /// alike.
    fn serves(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        Ok(())
    }

    fn availability(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        // A connection that was kept open may be stale, so a command is sent to the TPM.
        Ok(self.turns.run(Link::prove_alive)?)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        let secret = self.keys.new_secret()?;
        let (file, tpm_kind, storage_parent) = self.turns.run(|link, deadline| {
            let file = link.create(secret.as_ref(), deadline)?;
            link.load(*key_id, &file, secret.as_ref(), deadline)?;
            Ok((file, link.kind(), link.parent_name()))
        })?;
        self.keys.create_new(key_id, &file, secret.as_ref())?;
        Ok(CreatedKey {
            public_key: public_key(&file.public)?,
            tpm_kind: Some(tpm_kind),
            storage_parent: Some(storage_parent),
        })
    }

    /// A TPM takes milliseconds, so no signature is made at once.
    fn signs_at_once(&self, _: &KeyReference) -> bool {
        false
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        self.with_key(input.key(), |link, deadline| link.sign(input.sha256().as_bytes(), deadline))
    }

    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        Some(self)
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.keys.remove(key_id)?;
        // The key is unloaded last, when no request can load it again.
        self.turns.run_if_open(|link, deadline| match link.loaded(key_id) {
            Some(_) => link.unload(deadline),
            None => Ok(()),
        });
        Ok(())
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        Ok(self.keys.list()?)
    }
}
