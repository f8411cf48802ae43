//! The settings of a host, and how the host is built from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device_key::{
    DeviceKeyBindingStore, DeviceKeyProvider, DeviceKeyStore, Parts, RemoteControlPolicy,
    StoreLimits,
};
use device_key_private_fs::{PrivateDir, PrivateFsError};
use device_key_provider_os::{ConditionReport, OsProvider, OsSettings};
use device_key_provider_tpm::{KeySecrets, TpmAddress, TpmProvider, TpmSettings};
use device_key_state::StateRuntime;
use device_key_types::{Clock, OsRandom, RandomSource, SystemClock};
use device_key_wrapping::WrappingKey;
use tracing::warn;

use crate::error::HostError;
use crate::host::Host;

/// What keeps private keys. The variants stand in the order in which `create` tries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keystore {
    /// A TPM 2.0: the `hardware_tpm` class.
    Tpm,
    /// Files of the service's user: the `os_protected_nonextractable` class. The OS keystore itself
    /// refuses every caller while a condition of that class does not hold, so outside a service
    /// under a user of its own it gives no keys.
    Os,
}

/// The user that the process runs as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RunsAs {
    /// The process runs as the user whose programs use the keys.
    #[default]
    ClientUser,
    /// The process runs as a user of its own, whose files its clients cannot read. Each new TPM key
    /// also gets a secret, in a file of that user, and does not sign without the secret.
    ServiceUser,
}

/// Builds a [`Host`]. [`Host::builder`] makes a builder.
#[derive(Clone)]
pub struct HostBuilder {
    tpm: Option<TpmAddress>,
    allow_simulated_tpm: bool,
    pub(crate) keystores: BTreeSet<Keystore>,
    pub(crate) runs_as: RunsAs,
    credentials: Option<PathBuf>,
    configuration: Vec<PathBuf>,
    policy: RemoteControlPolicy,
    limits: StoreLimits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

impl Host {
    /// Begins with the defaults: the machine's own TPM and no other keystore, a process of the user
    /// whose programs use the keys, the built-in policy and limits.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            tpm: None,
            allow_simulated_tpm: false,
            keystores: [Keystore::Tpm].into(),
            runs_as: RunsAs::default(),
            credentials: None,
            configuration: Vec::new(),
            policy: RemoteControlPolicy::default(),
            limits: StoreLimits::default(),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }
}

impl HostBuilder {
    /// Uses the TPM at this address. The default is [`TpmAddress::of_this_machine`].
    #[must_use]
    pub fn tpm(mut self, address: TpmAddress) -> Self {
        self.tpm = Some(address);
        self
    }

    /// Accepts a simulated TPM, which protects nothing. The keys of a simulated TPM stay marked as
    /// simulated.
    #[must_use]
    pub const fn allow_simulated_tpm(mut self) -> Self {
        self.allow_simulated_tpm = true;
        self
    }

    /// Uses these keystores. Hardware comes first, whatever the order here. By default only the TPM
    /// is used.
    #[must_use]
    pub fn keystores(mut self, keystores: impl IntoIterator<Item = Keystore>) -> Self {
        self.keystores = keystores.into_iter().collect();
        self
    }

    /// Says which user the process runs as.
    #[must_use]
    pub const fn runs_as(mut self, runs_as: RunsAs) -> Self {
        self.runs_as = runs_as;
        self
    }

    /// Looks for a wrapping key in this folder, which is `$CREDENTIALS_DIRECTORY` of a systemd
    /// unit. If the folder has a wrapping key, the secrets of TPM keys and the files of the OS
    /// keystore are encrypted under that key. If the home folder has encrypted secrets and the key
    /// is missing or opens none of them, the host does not open.
    #[must_use]
    pub fn credentials(mut self, folder: impl Into<PathBuf>) -> Self {
        self.credentials = Some(folder.into());
        self
    }

    /// Names the configuration files that the process obeys, also those that do not exist. The OS
    /// keystore refuses its callers while another user could change one of these files. The paths
    /// are absolute and free of symbolic links.
    #[must_use]
    pub fn configuration(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.configuration = files.into_iter().collect();
        self
    }

    /// Decides with this policy which statements are signed for which backends.
    #[must_use]
    pub fn policy(mut self, policy: RemoteControlPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Bounds keys, waiting operations and the time of an operation.
    #[must_use]
    pub const fn limits(mut self, limits: StoreLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the time from this clock instead of the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Takes the random bytes of key ids from this source instead of the operating system. Key
    /// material never comes from here.
    #[must_use]
    pub fn random(mut self, random: impl RandomSource + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Opens the home folder, and creates what is missing in it: the folder itself, the state and
    /// the key folders. Does not connect to the TPM.
    pub fn open(&self, home: &Path) -> Result<Host, HostError> {
        self.open_in(&PrivateDir::open_or_create(home).map_err(HostError::Home)?)
    }

    /// As [`open`](Self::open), for a home folder that is already open.
    pub fn open_in(&self, home: &PrivateDir) -> Result<Host, HostError> {
        let mut state = StateRuntime::open(home).map_err(HostError::State)?;
        self.require_right_wrapping_key(home)?;
        let mut providers: Vec<Arc<dyn DeviceKeyProvider>> = Vec::new();
        for keystore in &self.keystores {
            providers.push(match keystore {
                Keystore::Tpm => Arc::new(self.tpm_provider(home)?),
                Keystore::Os => {
                    let keystore = self.os_provider(home)?;
                    if self.runs_as == RunsAs::ServiceUser {
                        warn_of_failing_conditions(&keystore);
                    }
                    Arc::new(keystore)
                }
            });
        }
        for folder in self.key_folders(home)? {
            state.watch(&folder).map_err(HostError::State)?;
        }
        let state = Arc::new(state);
        let bindings: Arc<dyn DeviceKeyBindingStore> = state.clone();
        let store = DeviceKeyStore::new(Parts {
            policy: self.policy.clone(),
            limits: self.limits,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            bindings,
            providers,
        });
        Ok(Host { home: home.clone(), state, store })
    }

    /// The address of the TPM that the host would use.
    pub fn tpm_address(&self) -> TpmAddress {
        self.tpm.clone().unwrap_or_else(TpmAddress::of_this_machine)
    }

    /// Makes the TPM provider that the host would use, for programs that examine the TPM itself.
    /// Creates its key folders in this home if they are missing.
    pub fn tpm_provider(&self, home: &PrivateDir) -> Result<TpmProvider, HostError> {
        let settings = TpmSettings {
            allow_simulated: self.allow_simulated_tpm,
            ..TpmSettings::at(self.tpm_address())
        };
        let keys = folder(home, "keys")?;
        let provider = TpmProvider::new(settings, folder(&keys, "tpm")?);
        if self.runs_as == RunsAs::ClientUser {
            // The clients could read the secret as well as the key file, so a secret would add no
            // protection.
            return Ok(provider);
        }
        let secrets = KeySecrets::in_folder(folder(&keys, "tpm-secrets")?);
        Ok(provider.with_secrets(match self.wrapping_key()? {
            Some(key) => secrets.wrapped_by(key),
            None => secrets,
        }))
    }

    /// Makes the OS keystore that the host would use, for programs that examine its conditions.
    /// Creates its key folder in this home if it is missing.
    pub fn os_provider(&self, home: &PrivateDir) -> Result<OsProvider, HostError> {
        let keys = folder(&folder(home, "keys")?, "os")?;
        let settings = OsSettings {
            configuration: self.configuration.clone(),
            wrapping_key: self.wrapping_key()?,
        };
        Ok(OsProvider::new(settings, keys))
    }

    /// The folders that the keystores write to.
    fn key_folders(&self, home: &PrivateDir) -> Result<Vec<PrivateDir>, HostError> {
        let names = self.keystores.iter().flat_map(|keystore| match (keystore, self.runs_as) {
            (Keystore::Tpm, RunsAs::ClientUser) => ["tpm"].as_slice(),
            (Keystore::Tpm, RunsAs::ServiceUser) => &["tpm", "tpm-secrets"],
            (Keystore::Os, _) => &["os"],
        });
        let keys = folder(home, "keys")?;
        names.map(|name| folder(&keys, name)).collect()
    }

    pub(crate) fn wrapping_key(&self) -> Result<Option<WrappingKey>, HostError> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        WrappingKey::from_credential(credentials).map_err(HostError::WrappingKey)
    }
}

/// Logs each condition that does not hold, once, when the host is opened. The OS keystore gives no
/// keys until the conditions hold.
fn warn_of_failing_conditions(keystore: &OsProvider) {
    for ConditionReport { condition, found, fix, .. } in keystore.conditions() {
        if let Some(fix) = fix {
            warn!(%condition, found, cure = fix, "keys are not OS-protected");
        }
    }
}

pub(crate) fn folder(parent: &PrivateDir, name: &str) -> Result<PrivateDir, HostError> {
    let invalid = |_| PrivateFsError::InvalidPath { path: parent.path().join(name) };
    let name = name.parse().map_err(invalid);
    name.and_then(|name| parent.subdir(&name)).map_err(HostError::Home)
}
