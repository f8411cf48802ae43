//! Shared by the tests: a provider with a swtpm, and keys whose signatures are verified.

pub(crate) mod proxy;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use device_key::{
    CreatedKey, DeviceKeyBinding, DeviceKeyProvider as _, KeyReference, OwnerUid, ProviderError,
    ProviderErrorKind, SigningInput,
};
use device_key_private_fs::PrivateDir;
use device_key_provider_tpm::{KeyFile, KeySecrets, PROVIDER_NAME, TpmProvider, TpmSettings};
use device_key_testing::{SequenceRandom, Swtpm, samples};
use device_key_tpm2::{HandleRange, Tpm, TpmAddress};
use device_key_types::{DeviceKeyId, OsRandom, ProtectionClass, Signature};
use device_key_wrapping::WrappingKey;
use tempfile::TempDir;

pub(crate) const SRK: &str = "0x81000001";

/// The deadline of a provider whose operations are expected to time out.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// A provider with a key folder of its own.
pub(crate) struct Keystore {
    pub(crate) provider: Arc<TpmProvider>,
    settings: TpmSettings,
    folder: Arc<TempDir>,
}

impl Keystore {
    pub(crate) fn at(address: &str) -> Self {
        Self::with(settings(address))
    }

    /// Makes a provider with a short deadline, for a TPM that does not answer in time.
    pub(crate) fn impatient(address: &str) -> Self {
        Self::with(TpmSettings { deadline: SHORT, ..settings(address) })
    }

    pub(crate) fn with(settings: TpmSettings) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let keys = PrivateDir::open_or_create(&folder.path().join("keys")).unwrap();
        let provider = Arc::new(TpmProvider::new(settings.clone(), keys));
        Self { provider, settings, folder }
    }

    /// Makes a provider like that of a service: each new key has a secret.
    pub(crate) fn service(address: &str) -> Self {
        Self::at(address).with_secrets(None)
    }

    /// Makes a provider like that of a service with a wrapping key: the secrets are wrapped.
    pub(crate) fn wrapping(address: &str, key: [u8; 32]) -> Self {
        Self::at(address).with_secrets(Some(key))
    }

    /// Makes another provider with the same key files and, if an address is given, another TPM. The
    /// new provider has no folder for secrets.
    pub(crate) fn reopened(&self, address: Option<&str>) -> Self {
        let settings = address.map_or_else(|| self.settings.clone(), settings);
        let provider = TpmProvider::new(settings.clone(), self.private("keys"));
        Self { provider: Arc::new(provider), settings, folder: Arc::clone(&self.folder) }
    }

    /// Adds a folder for secrets. The provider must not be shared yet.
    pub(crate) fn with_secrets(self, wrapping_key: Option<[u8; 32]>) -> Self {
        let secrets = KeySecrets::in_folder(self.private("secrets"));
        let secrets = match wrapping_key {
            Some(key) => secrets.wrapped_by(WrappingKey::from_bytes(key)),
            None => secrets,
        };
        let provider = Arc::into_inner(self.provider).unwrap().with_secrets(secrets);
        Self { provider: Arc::new(provider), ..self }
    }

    fn private(&self, name: &str) -> PrivateDir {
        PrivateDir::open_or_create(&self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn create(&self, number: u64) -> Key {
        let id = SequenceRandom::key_id(number);
        Key { id, created: self.provider.create(&id).unwrap() }
    }

    pub(crate) fn file(&self, key: &Key) -> PathBuf {
        self.folder.path().join("keys").join(format!("{}.pem", key.id))
    }

    pub(crate) fn secret_file(&self, key: &Key) -> PathBuf {
        self.folder.path().join("secrets").join(format!("{}.secret", key.id))
    }

    pub(crate) fn read(&self, key: &Key) -> KeyFile {
        KeyFile::from_pem(&fs::read(self.file(key)).unwrap()).unwrap()
    }

    pub(crate) fn sign(&self, key: &Key) -> Result<Signature, ProviderErrorKind> {
        self.provider.sign(&key.input()).map_err(|error| error.kind())
    }

    /// Signs with the key and verifies the signature.
    pub(crate) fn assert_signs(&self, key: &Key) {
        let signature = self.sign(key).unwrap();
        key.created.public_key.verify(key.input().message(), &signature).unwrap();
    }
}

/// Settings with a long deadline, because most tests do not test the deadline.
pub(crate) fn settings(address: &str) -> TpmSettings {
    TpmSettings {
        allow_simulated: true,
        deadline: Duration::from_secs(30),
        ..TpmSettings::at(address.parse().unwrap())
    }
}

/// A key, with the values that its binding would record.
pub(crate) struct Key {
    pub(crate) id: DeviceKeyId,
    pub(crate) created: CreatedKey,
}

impl Key {
    pub(crate) fn reference(&self) -> KeyReference {
        self.binding().reference()
    }

    pub(crate) fn input(&self) -> SigningInput {
        samples::signing_input(&self.reference())
    }

    pub(crate) fn binding(&self) -> DeviceKeyBinding {
        DeviceKeyBinding {
            key_id: self.id,
            owner: OwnerUid::new(1000),
            binding: samples::binding(),
            provider: PROVIDER_NAME.into(),
            protection_class: ProtectionClass::HardwareTpm,
            tpm_kind: self.created.tpm_kind,
            public_key: self.created.public_key.clone(),
            storage_parent: self.created.storage_parent.clone(),
            created_at: samples::NOW,
            updated_at: samples::NOW,
        }
    }
}

/// Writes a file with mode 0600, like the files that the provider makes.
pub(crate) fn put(path: &Path, contents: &[u8]) {
    fs::write(path, contents).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn kind<T>(result: Result<T, ProviderError>) -> ProviderErrorKind {
    result.map(drop).unwrap_err().kind()
}

/// Connects to the TPM like another program.
pub(crate) fn client(swtpm: &Swtpm) -> Tpm {
    let address: TpmAddress = swtpm.address().parse().unwrap();
    Tpm::new(address.connect(soon()).unwrap(), Box::new(OsRandom))
}

/// Waits until the provider has closed its connection, and asserts that it left nothing in the TPM.
pub(crate) fn assert_nothing_left(swtpm: &Swtpm) {
    let mut tpm = client(swtpm);
    for range in [HandleRange::Transient, HandleRange::LoadedSessions, HandleRange::SavedSessions] {
        assert_eq!(tpm.handles(range, soon()).unwrap(), [], "{range:?}");
    }
}

/// Makes another key persistent at the handle of the storage root key.
pub(crate) fn put_storage_key(swtpm: &Swtpm, algorithm: &str) {
    let context = swtpm.path("primary");
    swtpm.run_tool("tpm2_createprimary", &["-C", "o", "-G", algorithm, "-c", &context]);
    swtpm.run_tool("tpm2_evictcontrol", &["-C", "o", "-c", &context, SRK]);
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
}

/// The H-2 storage key as other programs make it: without `noDA`.
pub(crate) const WITHOUT_NO_DA: &str = "ecc256:null:aes128cfb";

/// Makes the TPM refuse every key that is subject to protection against dictionary attacks.
pub(crate) fn lock_out(swtpm: &Swtpm) {
    let (primary, sealed) = (swtpm.path("p"), swtpm.path("sealed"));
    let (public, private, secret) = (swtpm.path("u"), swtpm.path("r"), swtpm.path("secret"));
    fs::write(&secret, "secret").unwrap();
    let run = |program: &str, arguments: &[&str]| {
        swtpm.run_tool(program, arguments);
        swtpm.run_tool("tpm2_flushcontext", &["-t"]);
    };
    run("tpm2_createprimary", &["-C", "n", "-G", "ecc", "-c", &primary]);
    run(
        "tpm2_create",
        &["-C", &primary, "-p", "right", "-i", &secret, "-u", &public, "-r", &private],
    );
    run("tpm2_load", &["-C", &primary, "-u", &public, "-r", &private, "-c", &sealed]);
    run("tpm2_dictionarylockout", &["-s", "-n", "1", "-t", "1000", "-l", "1000"]);
    let wrong = ["-c", &sealed, "-p", "wrong"];
    let refused = swtpm.tools("tpm2_unseal").args(wrong).output().unwrap();
    assert!(!refused.status.success());
    swtpm.run_tool("tpm2_flushcontext", &["-t"]);
}
