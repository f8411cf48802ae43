use tracing_subscriber::filter::LevelFilter;

use crate::{LogFormat, TelemetryError, export_settings::ExportSettings};

/// What telemetry calls this program, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
}

/// How telemetry is to start. Holds no secret: the exporter reads the headers it sends, which may
/// be credentials, by itself.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) service: Service,
    pub(crate) log_format: LogFormat,
    pub(crate) default_level: LevelFilter,
    pub(crate) directives: String,
    pub(crate) export: ExportSettings,
}

impl Settings {
    /// Reads the environment: `RUST_LOG` for what is logged instead of `default_level`,
    /// `JOURNAL_STREAM` for how unless `log_format` is chosen, and `OTEL_*` for what is exported.
    pub fn read(
        service: Service,
        log_format: Option<LogFormat>,
        default_level: LevelFilter,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TelemetryError> {
        // An empty variable means the same as none (OpenTelemetry's environment variable
        // specification, "Parsing empty value").
        let environment = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let fitting = || LogFormat::fitting(environment("JOURNAL_STREAM").as_deref());
        Ok(Self {
            service,
            log_format: log_format.unwrap_or_else(fitting),
            default_level,
            directives: environment("RUST_LOG").unwrap_or_default(),
            export: ExportSettings::read(&environment)?,
        })
    }
}
