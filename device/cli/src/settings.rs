//! The effective settings. A flag or an environment variable takes precedence over the
//! configuration file.

use std::env;
use std::path::PathBuf;

use device_key::{AddedBackend, RemoteControlPolicy, StoreLimits};
use device_key_config::{
    Attestation, Audit, Config, ConfigError, ConfigFile, LimitSettings, ListenAddress, Providers,
    Service, ServiceMode, WebSocket, WhenFull,
};
use device_key_provider_tpm::TpmAddress;
use device_key_server::ServerLimits;

use crate::args::{AppServerArguments, PlatformArguments};
use crate::exit::{Exit, Failure};

/// The effective settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) home: Option<PathBuf>,
    pub(crate) tpm: Option<TpmAddress>,
    pub(crate) allow_simulated_tpm: bool,
    pub(crate) providers: Providers,
    /// `None` if the process is run by the client, as its child process.
    pub(crate) service: Option<ServiceMode>,
    /// The backends that the operator added to the built-in ones.
    pub(crate) backends: Vec<AddedBackend>,
    pub(crate) attestation: Attestation,
    pub(crate) audit: Audit,
    pub(crate) limits: LimitSettings,
    pub(crate) listen: Vec<ListenAddress>,
    pub(crate) websocket: WebSocket,
    /// The configuration file, whether it exists or not. `None` if no place for it is known.
    pub(crate) file: Option<ConfigFile>,
    /// Whether the configuration file exists.
    pub(crate) has_file: bool,
}

impl Settings {
    /// Reads the configuration file, if it exists, and lets the arguments take precedence.
    pub(crate) fn resolve(arguments: &PlatformArguments) -> Result<Self, Failure> {
        let file = ConfigFile::locate(arguments.config.as_deref(), |name| env::var_os(name));
        let config = match &file {
            Some(file) => file.load().map_err(|error| unusable(&error))?,
            None => None,
        };
        let has_file = config.is_some();
        let Config {
            home,
            providers,
            listen,
            service,
            tpm,
            backends,
            attestation,
            audit,
            limits,
            websocket,
        } = config.unwrap_or_default();
        let of_system = arguments.service.then_some(ServiceMode::System);
        let providers = match &*arguments.providers {
            [] => providers,
            named => Providers::of(named.iter().copied())
                .map_err(|error| Failure::system("the providers cannot be used", &error))?,
        };
        Ok(Self {
            home: arguments.home.clone().or(home.map(|path| path.as_path().to_owned())),
            tpm: arguments.tpm.clone().or(tpm.device),
            allow_simulated_tpm: arguments.allow_simulated_tpm || tpm.allow_simulated,
            providers,
            service: of_system.or(service.map(|Service { mode }| mode)),
            backends,
            attestation,
            audit,
            limits,
            listen,
            websocket,
            file,
            has_file,
        })
    }

    /// Like [`resolve`](Self::resolve), but the app-server's own arguments take precedence too.
    pub(crate) fn of_app_server(arguments: &AppServerArguments) -> Result<Self, Failure> {
        let mut settings = Self::resolve(&arguments.platform)?;
        if !arguments.listen.is_empty() {
            settings.listen.clone_from(&arguments.listen);
        }
        Ok(settings)
    }

    /// Whether the process is a service under a user of its own.
    pub(crate) fn is_system_service(&self) -> bool {
        self.service == Some(ServiceMode::System)
    }

    /// Whether the service listens for WebSocket clients.
    pub(crate) fn has_websocket(&self) -> bool {
        self.listen.iter().any(|address| matches!(address, ListenAddress::WebSocket(_)))
    }

    /// The files that decide what the service does, whether they exist or not.
    pub(crate) fn trusted_files(&self) -> Vec<PathBuf> {
        let configuration = self.file.as_ref().map(|file| file.path().to_owned());
        let token = self.websocket.token_file.as_ref().map(|file| file.as_path().to_owned());
        configuration.into_iter().chain(token).collect()
    }

    /// Whether the other settings could be applied to a process that started with these. The names
    /// of the trusted files count among what is fixed, because the hardening and the conditions of
    /// the OS-protected class depend on them.
    pub(crate) fn differs_only_in_what_can_be_reloaded(&self, other: &Self) -> bool {
        self.home == other.home
            && self.tpm == other.tpm
            && self.allow_simulated_tpm == other.allow_simulated_tpm
            && self.providers == other.providers
            && self.service == other.service
            && self.audit == other.audit
            && self.listen == other.listen
            && self.trusted_files() == other.trusted_files()
    }

    /// Which statements are signed for which backends.
    pub(crate) fn policy(&self) -> RemoteControlPolicy {
        RemoteControlPolicy::default()
            .with_backends(self.backends.clone())
            .with_attestation_for(self.attestation.origins.clone())
    }

    /// What happens to an operation whose audit event finds no room in the log. A system service
    /// refuses it by default, because its operator relies on the log. Any other app-server drops
    /// the event, because nobody may be reading its log.
    pub(crate) fn when_audit_is_full(&self) -> WhenFull {
        let default = if self.is_system_service() { WhenFull::Refuse } else { WhenFull::Drop };
        self.audit.when_full.unwrap_or(default)
    }

    /// How many connections and requests the server accepts at a time.
    pub(crate) fn server_limits(&self) -> ServerLimits {
        ServerLimits {
            connections_per_owner: self.limits.connections_per_user.as_count(),
            connections: self.limits.connections.as_count(),
            requests_per_connection: self.limits.requests_per_connection.as_count(),
            stall: self.limits.stall(),
            ..ServerLimits::default()
        }
    }

    /// How many keys and waiting operations the key store accepts.
    pub(crate) fn store_limits(&self) -> StoreLimits {
        StoreLimits {
            keys_per_owner: self.limits.keys_per_user.get(),
            waiting_per_provider: self.limits.waiting_per_provider.as_count(),
            waiting_per_owner: self.limits.waiting_per_user.as_count(),
            operation: self.limits.operation(),
        }
    }
}

fn unusable(error: &ConfigError) -> Failure {
    Failure {
        exit: Exit::ConfigurationUnusable,
        what: "the configuration cannot be used".to_owned(),
        cause: device_key_types::ErrorChain(error).to_string(),
        fix: Some(error.fix()),
    }
}
