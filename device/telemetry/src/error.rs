use opentelemetry_otlp::ExporterBuildError;
use tracing::subscriber::SetGlobalDefaultError;

/// Why telemetry cannot start. No text repeats a variable's value, which may hold a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// Fault of who set the variable: not an address at all.
    #[error("{variable} is not the http:// address of a collector")]
    EndpointInvalid {
        /// The variable.
        variable: &'static str,
    },
    /// Fault of who set the variable: TLS is left to a collector on this machine.
    #[error("{variable} asks for TLS; have a collector on this machine forward instead")]
    EndpointNeedsTls {
        /// The variable.
        variable: &'static str,
    },
    /// Fault of who set the variable: names are not looked up.
    #[error("{variable} names a host; an IP address or localhost is needed")]
    EndpointNeedsLookUp {
        /// The variable.
        variable: &'static str,
    },
    /// Fault of who set the variable: a password in an address ends up in logs.
    #[error("{variable} holds credentials, which belong into OTEL_EXPORTER_OTLP_HEADERS")]
    EndpointHoldsCredentials {
        /// The variable.
        variable: &'static str,
    },
    /// The exporter's own check of its settings.
    #[error("the OTLP exporter refuses its settings")]
    ExporterRefused(#[source] ExporterBuildError),
    /// Fault of the program: something else collects this process's events already.
    #[error("telemetry was started before")]
    AlreadyStarted(#[source] SetGlobalDefaultError),
}

impl TelemetryError {
    /// The stable code of each kind.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EndpointInvalid { .. } => "endpoint_invalid",
            Self::EndpointNeedsTls { .. } => "endpoint_needs_tls",
            Self::EndpointNeedsLookUp { .. } => "endpoint_needs_look_up",
            Self::EndpointHoldsCredentials { .. } => "endpoint_holds_credentials",
            Self::ExporterRefused(_) => "exporter_refused",
            Self::AlreadyStarted(_) => "already_started",
        }
    }
}
