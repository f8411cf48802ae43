//! The provider: makes, uses and deletes keys while every condition holds.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, SignatureCheck, SigningInput,
};
use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_types::{DeviceKeyId, ProtectionClass, Signature};
use zeroize::Zeroizing;

use crate::conditions::caller::failing_caller_condition;
use crate::conditions::report::ConditionReport;
use crate::conditions::service_user::ServiceUser;
use crate::error::OperationError;
use crate::key_file::{self, MAX_FILE_BYTES};
use crate::loaded_keys::{LoadedKey, LoadedKeys};
use crate::settings::OsSettings;
use crate::verdict::LatestVerdict;

/// The provider's stable name, which is stored with each key.
pub const PROVIDER_NAME: &str = "os";

/// How many signatures are made at once. A signature is so short that moving it to another
/// processor hardly pays off, so a few lanes are enough for most machines.
const CONCURRENCY: usize = 4;

/// How many keys are kept in memory. A key takes about 1 KiB. Loading a key again takes as long as
/// two signatures.
const LOADED_KEYS: usize = 256;

/// Makes and uses device keys in software, for callers that the operating system keeps away from
/// the key files and the memory of the service.
pub struct OsProvider {
    settings: Arc<OsSettings>,
    keys: PrivateDir,
    service: ServiceUser,
    loaded: LoadedKeys,
    verdict: LatestVerdict,
}

impl OsProvider {
    /// Makes a provider that stores its key files in `keys`, a folder of its own, and checks every
    /// condition, so that no request is answered before there is a verdict. Harden the process, and
    /// change to the service's user, before this call. A condition that does not hold is not an
    /// error here: the provider refuses every caller until the condition holds, and
    /// [`conditions`](Self::conditions) reports it.
    pub fn new(settings: OsSettings, keys: PrivateDir) -> Self {
        let (settings, service) = (Arc::new(settings), ServiceUser::current());
        let verdict = LatestVerdict::new(keys.clone(), Arc::clone(&settings), service);
        verdict.check();
        Self { settings, keys, service, loaded: LoadedKeys::new(LOADED_KEYS), verdict }
    }

    /// Checks every condition that does not depend on the caller.
    pub fn conditions(&self) -> Vec<ConditionReport> {
        self.verdict.check()
    }

    /// Checks the conditions on the caller. Makes no system call.
    fn check_caller(&self, caller: &LocalPeer) -> Result<(), OperationError> {
        match failing_caller_condition(self.service, caller) {
            Some(condition) => Err(OperationError::Condition {
                condition,
                found: format!("the caller is connected over {}", caller.transport().as_str()),
            }),
            None => Ok(()),
        }
    }

    /// Returns the key from memory or from its file. Fails if the file holds another key than the
    /// recorded key.
    fn load(&self, key: &KeyReference) -> Result<Arc<LoadedKey>, OperationError> {
        let loaded = match self.in_memory(key) {
            Some(loaded) => loaded,
            None => self.load_file(&key.key_id)?,
        };
        if *loaded.public_key() != key.public_key {
            return Err(OperationError::OtherKey);
        }
        Ok(loaded)
    }

    fn in_memory(&self, key: &KeyReference) -> Option<Arc<LoadedKey>> {
        self.loaded.get(&key.key_id).filter(|loaded| *loaded.public_key() == key.public_key)
    }

    fn load_file(&self, key_id: &DeviceKeyId) -> Result<Arc<LoadedKey>, OperationError> {
        let since = self.loaded.removals();
        let file = self.keys.read(&key_file::name(key_id)?, MAX_FILE_BYTES);
        let file = Zeroizing::new(file.map_err(|error| match error {
            PrivateFsError::NotFound { .. } => OperationError::NoKeyFile,
            error => OperationError::Folder(error),
        })?);
        let pair = key_file::read(key_id, &file, self.settings.wrapping_key.as_ref())?;
        let loaded = Arc::new(LoadedKey::new(pair)?);
        self.loaded.insert(*key_id, Arc::clone(&loaded), since);
        Ok(loaded)
    }

    fn generate(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, OperationError> {
        self.verdict.require_latest()?;
        let since = self.loaded.removals();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| OperationError::Cryptography("generate a key"))?;
        let file = key_file::write(key_id, &pair, self.settings.wrapping_key.as_ref())?;
        let loaded = Arc::new(LoadedKey::new(pair)?);
        self.keys.create_new(&key_file::name(key_id)?, &file)?;
        let public_key = loaded.public_key().clone();
        self.loaded.insert(*key_id, loaded, since);
        Ok(CreatedKey { public_key, tpm_kind: None, storage_parent: None })
    }

    fn remove(&self, key_id: &DeviceKeyId) -> Result<(), OperationError> {
        let removed = self.keys.remove(&key_file::name(key_id)?);
        // The key leaves the cache after its file is removed, so that no request loads it again. It
        // leaves the cache also if the removal failed, because the file may be gone even then.
        self.loaded.remove(key_id);
        removed?;
        Ok(())
    }
}

impl DeviceKeyProvider for OsProvider {
    fn description(&self) -> ProviderDescription {
        ProviderDescription {
            name: PROVIDER_NAME,
            protection_class: ProtectionClass::OsProtectedNonextractable,
            concurrency: CONCURRENCY,
            // Verifying takes three times as long as signing, and `load` compares the public key,
            // so later signatures are not verified.
            signature_check: SignatureCheck::AtCreation,
        }
    }

    /// Answers from the last verdict, and has a thread of its own renew the verdict. So a change of
    /// a condition is noticed a moment after this call.
    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.check_caller(caller)?;
        self.verdict.renew_soon();
        Ok(self.verdict.require_latest()?)
    }

    /// Checks all conditions again.
    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.check_caller(caller)?;
        Ok(self.verdict.require_now()?)
    }

    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.check_caller(caller)?;
        Ok(self.verdict.require_latest()?)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        Ok(self.generate(key_id)?)
    }

    /// Whether the key is in memory, so that signing reads no file.
    fn signs_at_once(&self, key: &KeyReference) -> bool {
        self.in_memory(key).is_some()
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        Ok(self.load(input.key())?.sign(input)?)
    }

    /// There is no attestor, because only this process knows how its keys are protected, and cannot
    /// prove it.
    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        None
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        Ok(self.remove(key_id)?)
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        let files = self.keys.list().map_err(OperationError::from)?;
        let mut ids: Vec<DeviceKeyId> = files.iter().filter_map(key_file::key_id).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}
