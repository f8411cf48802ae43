//! The settings of telemetry, read from the environment.

use tracing_subscriber::filter::LevelFilter;

use crate::error::TelemetryError;
use crate::export_settings::ExportSettings;
use crate::log_format::LogFormat;

/// The name and version under which telemetry reports this program, unless `OTEL_SERVICE_NAME` or
/// `OTEL_RESOURCE_ATTRIBUTES` give others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceIdentity {
    /// The attribute `service.name`.
    pub name: &'static str,
    /// The attribute `service.version`.
    pub version: &'static str,
}

/// The settings with which telemetry starts. They hold no secret: the exporter itself reads the
/// headers that it sends, which may be credentials.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) service: ServiceIdentity,
    pub(crate) log_format: LogFormat,
    pub(crate) default_level: LevelFilter,
    pub(crate) directives: String,
    pub(crate) export: ExportSettings,
}

impl Settings {
    /// Reads the settings from the environment.
    ///
    /// `RUST_LOG` selects what is logged, instead of `default_level`. `JOURNAL_STREAM` decides the
    /// format of the log if `log_format` is `None`. The `OTEL_*` variables select what is exported.
    pub fn read(
        service: ServiceIdentity,
        log_format: Option<LogFormat>,
        default_level: LevelFilter,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TelemetryError> {
        // An empty variable counts as not set (OpenTelemetry's environment variable specification,
        // "Parsing empty value").
        let environment = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let default_format =
            || LogFormat::for_standard_error(environment("JOURNAL_STREAM").as_deref());
        Ok(Self {
            service,
            log_format: log_format.unwrap_or_else(default_format),
            default_level,
            directives: environment("RUST_LOG").unwrap_or_default(),
            export: ExportSettings::read(&environment)?,
        })
    }
}
