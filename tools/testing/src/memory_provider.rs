//! A provider that keeps its keys in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use device_key::{
    CreatedKey, DeviceKeyProvider, KeyAttestor, KeyReference, LocalPeer, ProviderDescription,
    ProviderError, ProviderErrorKind, SignatureCheck, SigningInput,
};
use device_key_types::{
    DeviceKeyId, ProtectionClass, PublicKey, Sha256Digest, Signature, StorageParentName, TpmKind,
};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{self, SigningKey};
use p256::pkcs8::EncodePublicKey as _;

use crate::memory_attestor::MemoryAttestor;

/// Keeps P-256 keys in plain memory. It protects nothing, and claims the class that the test
/// chooses.
pub struct MemoryProvider {
    description: ProviderDescription,
    attestor: Option<MemoryAttestor>,
    keys: Mutex<BTreeMap<DeviceKeyId, SoftwareKey>>,
    /// The signatures so far, if each message is signed only once.
    signatures: Option<Mutex<HashMap<(DeviceKeyId, Sha256Digest), Signature>>>,
    corruption: Mutex<Option<Corruption>>,
}

/// How a provider lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// The provider signs the right bytes with another key.
    SignatureByAnotherKey,
    /// The provider names another public key when it creates a key.
    AnotherPublicKey,
    /// The provider serves nobody any more, although it could.
    ServesNobody,
}

impl MemoryProvider {
    /// Poses as a TPM: its name is `memory_tpm`, it does one operation at a time, and the store
    /// checks each signature.
    pub fn hardware() -> Self {
        Self::describing(ProviderDescription {
            name: "memory_tpm",
            protection_class: ProtectionClass::HardwareTpm,
            concurrency: 1,
            signature_check: SignatureCheck::Each,
        })
    }

    /// Poses as the OS-protected keystore: its name is `memory_os`, it does four operations at a
    /// time, and the store checks a signature at creation.
    pub fn os_protected() -> Self {
        Self::describing(ProviderDescription {
            name: "memory_os",
            protection_class: ProtectionClass::OsProtectedNonextractable,
            concurrency: 4,
            signature_check: SignatureCheck::AtCreation,
        })
    }

    fn describing(description: ProviderDescription) -> Self {
        Self {
            description,
            attestor: None,
            keys: Mutex::default(),
            signatures: None,
            corruption: Mutex::default(),
        }
    }

    /// Sets the name.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.description.name = name;
        self
    }

    /// Sets how many operations run at a time.
    #[must_use]
    pub const fn concurrency(mut self, concurrency: usize) -> Self {
        self.description.concurrency = concurrency;
        self
    }

    /// Sets when the store checks signatures.
    #[must_use]
    pub const fn checked(mut self, signature_check: SignatureCheck) -> Self {
        self.description.signature_check = signature_check;
        self
    }

    /// Adds attestation of the keys: see [`credential_for`](crate::credential_for).
    #[must_use]
    pub const fn attesting(mut self) -> Self {
        self.attestor = Some(MemoryAttestor);
        self
    }

    /// Signs each message only once, and then returns the stored signature.
    #[must_use]
    pub fn memoizing(mut self) -> Self {
        self.signatures = Some(Mutex::default());
        self
    }

    /// Makes the provider lie from now on.
    pub fn lie(&self, corruption: Corruption) {
        *self.corruption.lock().unwrap() = Some(corruption);
    }

    fn lies(&self, corruption: Corruption) -> bool {
        *self.corruption.lock().unwrap() == Some(corruption)
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<DeviceKeyId, SoftwareKey>> {
        self.keys.lock().unwrap()
    }

    fn load(&self, key_id: &DeviceKeyId) -> Result<SoftwareKey, ProviderError> {
        let lost = || ProviderError::new(ProviderErrorKind::KeyLost, "no such key in memory");
        self.keys().get(key_id).cloned().ok_or_else(lost)
    }
}

impl DeviceKeyProvider for MemoryProvider {
    fn description(&self) -> ProviderDescription {
        self.description
    }

    fn presence(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        Ok(())
    }

    fn availability(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        Ok(())
    }

    fn serves(&self, _: &LocalPeer) -> Result<(), ProviderError> {
        if self.lies(Corruption::ServesNobody) {
            return Err(ProviderError::new(
                ProviderErrorKind::HardwareUnavailable,
                "serves nobody",
            ));
        }
        Ok(())
    }

    fn create(&self, key_id: &DeviceKeyId) -> Result<CreatedKey, ProviderError> {
        let key = SoftwareKey::random();
        let other = self.lies(Corruption::AnotherPublicKey).then(SoftwareKey::random);
        let public_key = other.as_ref().unwrap_or(&key).public_key.clone();
        let mut keys = self.keys();
        if keys.contains_key(key_id) {
            return Err(ProviderError::new(ProviderErrorKind::Failed, "a key of that name exists"));
        }
        keys.insert(*key_id, key);
        let is_tpm = self.description.protection_class == ProtectionClass::HardwareTpm;
        Ok(CreatedKey {
            public_key,
            tpm_kind: is_tpm.then_some(TpmKind::Simulated),
            storage_parent: is_tpm.then(|| StorageParentName::from_bytes(b"memory storage parent")),
        })
    }

    /// This provider stands in for devices, which may block.
    fn signs_at_once(&self, _: &KeyReference) -> bool {
        false
    }

    fn sign(&self, input: &SigningInput) -> Result<Signature, ProviderError> {
        let key = self.load(&input.key().key_id)?;
        if key.public_key != input.key().public_key {
            return Err(ProviderError::new(ProviderErrorKind::KeyLost, "another public key"));
        }
        if self.lies(Corruption::SignatureByAnotherKey) {
            return Ok(SoftwareKey::random().sign(input));
        }
        let Some(signatures) = &self.signatures else { return Ok(key.sign(input)) };
        let signed = (input.key().key_id, *input.sha256());
        Ok(signatures.lock().unwrap().entry(signed).or_insert_with(|| key.sign(input)).clone())
    }

    fn attestor(&self) -> Option<&dyn KeyAttestor> {
        let attestor = self.attestor.as_ref()?;
        Some(attestor)
    }

    fn delete(&self, key_id: &DeviceKeyId) -> Result<(), ProviderError> {
        self.keys().remove(key_id);
        Ok(())
    }

    fn list(&self) -> Result<Vec<DeviceKeyId>, ProviderError> {
        Ok(self.keys().keys().copied().collect())
    }
}

/// A key that anybody can read.
#[derive(Clone)]
pub(crate) struct SoftwareKey {
    signing_key: SigningKey,
    pub(crate) public_key: PublicKey,
}

impl SoftwareKey {
    pub(crate) fn random() -> Self {
        let mut scalar = [0; 32];
        loop {
            getrandom::fill(&mut scalar).expect("the operating system gives random bytes");
            // All but about one in 2^32 of such numbers are below the group order.
            if let Ok(signing_key) = SigningKey::from_slice(&scalar) {
                return Self::new(signing_key);
            }
        }
    }

    fn new(signing_key: SigningKey) -> Self {
        let der = signing_key.verifying_key().to_public_key_der().expect("a key has a DER form");
        let public_key = PublicKey::from_spki_der(der.as_bytes()).expect("p256 writes P-256 keys");
        Self { signing_key, public_key }
    }

    fn sign(&self, input: &SigningInput) -> Signature {
        let signature: ecdsa::Signature = self.signing_key.sign(input.message());
        let (r, s) = signature.split_bytes();
        Signature::from_scalars(r.into(), s.into()).expect("p256 writes P-256 signatures")
    }
}
