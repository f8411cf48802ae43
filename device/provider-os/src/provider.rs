//! The provider: makes, uses and deletes keys while every condition holds.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, SignatureCheck, SigningInput,
};
use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_types::{DeviceKeyId, OsProtectionCondition, ProtectionClass, Signature};
use zeroize::Zeroizing;

use crate::conditions::caller::failing_caller_condition;
use crate::conditions::report::ConditionReport;
use crate::conditions::service_user::ServiceUser;
use crate::conditions::{self, Subject};
use crate::error::OperationError;
use crate::key_file::{self, MAX_FILE_BYTES};
use crate::loaded_keys::{LoadedKey, LoadedKeys};
use crate::settings::OsSettings;

/// The provider's stable name, kept with each key.
pub const PROVIDER_NAME: &str = "os";

/// A signature takes less time than a trip between processors is worth: more lanes than most
/// machines have to spare for this.
const CONCURRENCY: usize = 4;

/// Keys kept in memory. One takes about 1 KiB; loading one anew takes two signatures' time.
const LOADED_KEYS: usize = 256;

/// Makes and uses device keys in software, for callers whom the operating system keeps out.
pub struct OsProvider {
    settings: OsSettings,
    keys: PrivateDir,
    service: ServiceUser,
    loaded: LoadedKeys,
    /// `None` until the conditions are first checked.
    verdict: RwLock<Option<Verdict>>,
}

/// The first condition of each kind that did not hold when it was last looked at.
#[derive(Clone, Copy, Default)]
struct Verdict {
    quick: Option<OsProtectionCondition>,
    files: Option<OsProtectionCondition>,
}

impl OsProvider {
    /// Takes a folder for key files of its own. Harden the process, and change to the service's
    /// user, before that. What does not hold is no error here: every caller is refused while it
    /// lasts, and [`conditions`](Self::conditions) tells what it is.
    pub fn new(settings: OsSettings, keys: PrivateDir) -> Self {
        Self {
            settings,
            keys,
            service: ServiceUser::current(),
            loaded: LoadedKeys::new(LOADED_KEYS),
            verdict: RwLock::default(),
        }
    }

    /// Judges every condition that does not depend on the caller, as a service does at its start.
    pub fn conditions(&self) -> Vec<ConditionReport> {
        let [quick, files] = self.judge_everything();
        conditions::merge(quick, files)
    }

    fn subject(&self) -> Subject<'_> {
        Subject { keys: &self.keys, configuration: &self.settings.configuration }
    }

    fn judge_quick(&self) -> Vec<ConditionReport> {
        let reports = conditions::evaluate_quick(&self.subject(), self.service);
        if let Some(verdict) = &mut *self.verdict.write().unwrap_or_else(PoisonError::into_inner) {
            verdict.quick = failing(&reports);
        }
        reports
    }

    /// What is judged swiftly, and what takes longer.
    fn judge_everything(&self) -> [Vec<ConditionReport>; 2] {
        let quick = conditions::evaluate_quick(&self.subject(), self.service);
        let files = conditions::evaluate_files(&self.subject(), self.service);
        let verdict = Verdict { quick: failing(&quick), files: failing(&files) };
        *self.verdict.write().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        [quick, files]
    }

    fn verdict(&self) -> Option<Verdict> {
        *self.verdict.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest verdict on the process; the first one, if nobody has asked yet.
    fn recorded(&self) -> Result<(), OperationError> {
        let Some(Verdict { quick, files }) = self.verdict() else {
            return first_failure(self.judge_everything().concat());
        };
        quick.or(files).map_or(Ok(()), |condition| Err(OperationError::Recorded(condition)))
    }

    /// Makes no system call.
    fn judge_caller(&self, caller: &LocalPeer) -> Result<(), OperationError> {
        match failing_caller_condition(self.service, caller) {
            Some(condition) => Err(OperationError::Condition {
                condition,
                found: format!("over {}", caller.transport().as_str()),
            }),
            None => Ok(()),
        }
    }

    /// The key, from memory or from its file; a key other than the recorded one is lost.
    fn load(&self, key: &KeyReference) -> Result<Arc<LoadedKey>, OperationError> {
        let loaded = match self.loaded.get(&key.key_id) {
            Some(loaded) => loaded,
            None => self.load_file(&key.key_id)?,
        };
        if *loaded.public_key() != key.public_key {
            return Err(OperationError::OtherKey);
        }
        Ok(loaded)
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
        self.recorded()?;
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
        // After the file, so that nobody loads it again; also if that failed, for it may be gone.
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
            // Verifying takes three times as long as signing, and `load` compares the public key.
            signature_check: SignatureCheck::AtCreation,
        }
    }

    /// Judges the process anew, but not each key file, unless one was the trouble before.
    fn presence(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.judge_caller(caller)?;
        let reports = match self.verdict() {
            Some(Verdict { files: None, .. }) => self.judge_quick(),
            Some(_) | None => self.judge_everything().concat(),
        };
        Ok(first_failure(reports)?)
    }

    /// Judges everything anew.
    fn availability(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.judge_caller(caller)?;
        Ok(first_failure(self.judge_everything().concat())?)
    }

    fn serves(&self, caller: &LocalPeer) -> Result<(), ProviderError> {
        self.judge_caller(caller)?;
        Ok(self.recorded()?)
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        Ok(self.generate(key_id)?)
    }

    /// Once its file has been read.
    fn signs_at_once(&self, key: &KeyReference) -> bool {
        self.loaded.get(&key.key_id).is_some()
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        Ok(self.load(input.key())?.sign(input)?)
    }

    /// There is no attestor, because nobody but this process knows how these keys are protected.
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

fn failing(reports: &[ConditionReport]) -> Option<OsProtectionCondition> {
    reports.iter().find(|report| !report.holds()).map(|report| report.condition)
}

fn first_failure(reports: Vec<ConditionReport>) -> Result<(), OperationError> {
    match reports.into_iter().find(|report| !report.holds()) {
        Some(ConditionReport { condition, found, .. }) => {
            Err(OperationError::Condition { condition, found })
        }
        None => Ok(()),
    }
}
