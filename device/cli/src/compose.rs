//! The one place that names concrete parts: `SQLite`, the TPM, the system's clock and randomness.

use std::{env, path::Path, sync::Arc};

use device_key::{DeviceKeyBindingStore, DeviceKeyProvider, DeviceKeyStore, Parts};
use device_key_config::ProviderName;
use device_key_private_fs::{FileName, InvalidFileName, PrivateDir};
use device_key_provider_os::{ConditionReport, OsProvider, OsSettings};
use device_key_provider_tpm::{AddressError, KeySecrets, TpmAddress, TpmProvider, TpmSettings};
use device_key_state::{StateError, StateErrorKind, StateRuntime};
use device_key_types::{ErrorChain, OsRandom, SystemClock};
use device_key_wrapping::WrappingKey;
use tracing::warn;

use crate::{
    exit::{Exit, Failure},
    home,
    settings::Settings,
};

/// Through the kernel's resource manager, so that the TPM is shared.
const SHARED_DEVICE: &str = "/dev/tpmrm0";
/// Kernels before 4.12 have only this one.
const RAW_DEVICE: &str = "/dev/tpm0";

/// The product, put together, and the state under it.
pub(crate) struct Composition {
    pub(crate) store: DeviceKeyStore,
    pub(crate) state: Arc<StateRuntime>,
}

/// Puts the product together.
pub(crate) fn compose(settings: &Settings, home: &PrivateDir) -> Result<Composition, Failure> {
    let state = Arc::new(StateRuntime::open(home).map_err(|error| state_failure(&error))?);
    let mut providers: Vec<Arc<dyn DeviceKeyProvider>> = Vec::new();
    for name in settings.providers.iter() {
        match name {
            ProviderName::Tpm => providers.push(Arc::new(tpm_provider(settings, home)?)),
            ProviderName::Os => {
                let keystore = os_provider(settings, home)?;
                if settings.is_system_service() {
                    warn_of_failing_conditions(&keystore);
                }
                providers.push(Arc::new(keystore));
            }
        }
    }
    let bindings: Arc<dyn DeviceKeyBindingStore> = state.clone();
    let store = DeviceKeyStore::new(Parts {
        policy: settings.policy(),
        limits: settings.store_limits(),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        bindings,
        providers,
    });
    Ok(Composition { store, state })
}

/// The TPM that was asked for, or the machine's own.
pub(crate) fn tpm_address(settings: &Settings) -> Result<TpmAddress, AddressError> {
    match &settings.tpm {
        Some(address) => Ok(address.clone()),
        None if Path::new(RAW_DEVICE).exists() && !Path::new(SHARED_DEVICE).exists() => {
            RAW_DEVICE.parse()
        }
        None => SHARED_DEVICE.parse(),
    }
}

/// The TPM provider, with its folder for key files.
pub(crate) fn tpm_provider(settings: &Settings, home: &PrivateDir) -> Result<TpmProvider, Failure> {
    let address = tpm_address(settings).map_err(|error| Failure::system("no TPM", &error))?;
    let tpm =
        TpmSettings { allow_simulated: settings.allow_simulated_tpm, ..TpmSettings::at(address) };
    let keys = folder(home, "keys")?;
    let provider = TpmProvider::new(tpm, folder(&keys, "tpm")?);
    if !settings.is_system_service() {
        // A secret that the client could read as well would add nothing.
        return Ok(provider);
    }
    let secrets = KeySecrets::in_folder(folder(&keys, "tpm-secrets")?);
    Ok(provider.with_secrets(match wrapping_key()? {
        Some(key) => secrets.wrapped_by(key),
        None => secrets,
    }))
}

/// The OS keystore, with its folder for key files. Whether its conditions hold it judges itself.
pub(crate) fn os_provider(settings: &Settings, home: &PrivateDir) -> Result<OsProvider, Failure> {
    let keys = folder(&folder(home, "keys")?, "os")?;
    let settings =
        OsSettings { configuration: settings.trusted_files(), wrapping_key: wrapping_key()? };
    Ok(OsProvider::new(settings, keys))
}

/// A service that cannot give the class says so once, at its start.
fn warn_of_failing_conditions(keystore: &OsProvider) {
    for ConditionReport { condition, found, cure } in keystore.conditions() {
        if let Some(cure) = cure {
            warn!(%condition, found, cure, "keys are not OS-protected");
        }
    }
}

fn folder(parent: &PrivateDir, name: &str) -> Result<PrivateDir, Failure> {
    let name: FileName =
        name.parse().map_err(|error: InvalidFileName| Failure::system("no key folder", &error))?;
    parent.subdir(&name).map_err(|error| home::unusable(&error))
}

/// The key that the service manager gave us to wrap secrets with, if it did.
fn wrapping_key() -> Result<Option<WrappingKey>, Failure> {
    let Some(credentials) = env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
    WrappingKey::from_credential(Path::new(&credentials)).map_err(|error| Failure {
        exit: Exit::ConfigurationUnusable,
        what: "the wrapping key cannot be used".to_owned(),
        cause: ErrorChain(&error).to_string(),
        cure: Some("make it anew with systemd-creds: 32 random bytes, without a line end".into()),
    })
}

/// What happened to the state, and what to do about it.
pub(crate) fn state_failure(error: &StateError) -> Failure {
    if let StateError::Folder(error) = error {
        return home::unusable(error);
    }
    let cure = match error.kind() {
        StateErrorKind::TooNew => "install the newer device-key again",
        StateErrorKind::Damaged => {
            "restore state.sqlite from a copy, or move it away and create the keys anew"
        }
        _ => "see who holds the database, or what fills the disk, and start again",
    };
    Failure {
        exit: Exit::StateUnusable,
        what: "the state cannot be used".to_owned(),
        cause: ErrorChain(error).to_string(),
        cure: Some(cure.to_owned()),
    }
}
