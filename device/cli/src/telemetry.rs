//! Starts logs, traces and metrics for the app-server.

use device_key_telemetry::{
    LevelFilter, LogFormat, ServiceIdentity, Settings, Telemetry, TelemetryError,
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
