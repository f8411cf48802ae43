//! Starts logs, traces and metrics for the app-server.

use device_key::OwnerUid;
use device_key_config::WhenFull;
use device_key_server::AuditLog;
use device_key_telemetry::{
    AuditQueue, LevelFilter, LogFormat, ServiceIdentity, Settings, Telemetry, TelemetryError,
};

use crate::exit::{Exit, Failure};

const SERVICE: ServiceIdentity =
    ServiceIdentity { name: "device-key", version: env!("CARGO_PKG_VERSION") };

/// Reads the settings from the log format and the `OTEL_*` variables. Wrong settings are reported
/// before the app-server creates any file or socket.
pub(crate) fn settings(log_format: Option<LogFormat>) -> Result<Settings, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    Settings::read(SERVICE, log_format, LevelFilter::INFO, environment)
        .map_err(|error| failure(&error))
}

/// Starts to log and to export.
pub(crate) fn start(settings: &Settings) -> Result<Telemetry, Failure> {
    Telemetry::start(settings).map_err(|error| failure(&error))
}

/// The app-server's audit log: the audit events of telemetry.
pub(crate) struct QueuedAudit(AuditQueue);

impl QueuedAudit {
    pub(crate) fn of(telemetry: &Telemetry, when_full: WhenFull) -> Self {
        Self(telemetry.audit_queue(match when_full {
            WhenFull::Refuse => device_key_telemetry::WhenFull::Refuse,
            WhenFull::Drop => device_key_telemetry::WhenFull::Drop,
        }))
    }
}

impl AuditLog for QueuedAudit {
    fn reserve(&self, owner: Option<OwnerUid>) -> bool {
        self.0.reserve(owner.map(OwnerUid::as_raw))
    }

    fn give_back(&self, owner: Option<OwnerUid>) {
        self.0.give_back(owner.map(OwnerUid::as_raw));
    }

    fn log(&self, owner: Option<OwnerUid>, event: &dyn Fn()) {
        self.0.log(owner.map(OwnerUid::as_raw), event);
    }
}

fn failure(error: &TelemetryError) -> Failure {
    Failure {
        exit: Exit::Usage,
        what: "cannot start telemetry".to_owned(),
        cause: device_key_types::ErrorChain(error).to_string(),
        fix: Some(
            "name a collector such as http://127.0.0.1:4318, or set OTEL_SDK_DISABLED=true"
                .to_owned(),
        ),
    }
}
