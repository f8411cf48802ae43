//! Builds the host from the settings, and turns the host's errors into failures for people.

use std::env;

use device_key_config::ProviderName;
use device_key_host::{Host, HostBuilder, HostError, Keystore, RunsAs};
use device_key_private_fs::PrivateDir;
use device_key_state::{StateError, StateErrorKind};
use device_key_types::ErrorChain;

use crate::exit::{Exit, Failure};
use crate::home;
use crate::settings::Settings;

/// The host that the settings ask for.
pub(crate) fn builder(settings: &Settings) -> HostBuilder {
    let mut builder = Host::builder()
        .keystores(settings.providers.iter().map(|name| match name {
            ProviderName::Tpm => Keystore::Tpm,
            ProviderName::Os => Keystore::Os,
        }))
        .configuration(settings.trusted_files())
        .policy(settings.policy())
        .limits(settings.store_limits());
    if let Some(address) = &settings.tpm {
        builder = builder.tpm(address.clone());
    }
    if settings.allow_simulated_tpm {
        builder = builder.allow_simulated_tpm();
    }
    if settings.is_system_service() {
        builder = builder.runs_as(RunsAs::ServiceUser);
    }
    match env::var_os("CREDENTIALS_DIRECTORY") {
        Some(credentials) => builder.credentials(credentials),
        None => builder,
    }
}

/// Opens the host in its home folder.
pub(crate) fn open(settings: &Settings, home: &PrivateDir) -> Result<Host, Failure> {
    builder(settings).open_in(home).map_err(|error| failure(&error))
}

/// Why the host could not be opened, and what to do about it.
pub(crate) fn failure(error: &HostError) -> Failure {
    match error {
        HostError::Home(error) => home::unusable(error),
        HostError::State(error) => state_failure(error),
        HostError::WrappingKey(error) => Failure {
            exit: Exit::ConfigurationUnusable,
            what: "the wrapping key cannot be used".to_owned(),
            cause: ErrorChain(error).to_string(),
            fix: Some(
                "create it again with systemd-creds: 32 random bytes without a line end".into(),
            ),
        },
        HostError::OtherWrappingKey { keys, is_given } => Failure {
            exit: Exit::ConfigurationUnusable,
            what: if *is_given {
                "the wrapping key is not the one that encrypts the secrets".to_owned()
            } else {
                "the wrapping key is missing".to_owned()
            },
            cause: ErrorChain(error).to_string(),
            fix: Some(format!(
                "restore the credential; a new one would lose {keys} keys. If you have both keys, \
                 run: device-key rewrap --old-credential FILE"
            )),
        },
        error => Failure::system("the keys cannot be opened", &ErrorChain(error)),
    }
}

/// Why the state cannot be used, and what to do about it.
pub(crate) fn state_failure(error: &StateError) -> Failure {
    if let StateError::Folder(error) = error {
        return home::unusable(error);
    }
    let fix = match error.kind() {
        StateErrorKind::TooNew => "install the newer version of device-key again",
        StateErrorKind::Foreign => "move state.sqlite away, or name another home folder",
        StateErrorKind::Damaged => {
            "restore state.sqlite from a copy, or move it away and create the keys again"
        }
        _ => {
            "check which program holds the database and whether the disk is full, then start again"
        }
    };
    Failure {
        exit: Exit::StateUnusable,
        what: "the state cannot be used".to_owned(),
        cause: ErrorChain(error).to_string(),
        fix: Some(fix.to_owned()),
    }
}
