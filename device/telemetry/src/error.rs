//! The reasons why telemetry cannot start.

use opentelemetry_otlp::ExporterBuildError;
use tracing::subscriber::SetGlobalDefaultError;

/// Why telemetry cannot start. No error text repeats the value of a variable, because the value may
/// hold a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The value of the variable is not an `http://` address. Whoever set the variable must fix it.
    #[error("{variable} is not the http:// address of a collector")]
    EndpointInvalid {
        /// The variable.
        variable: &'static str,
    },
    /// The address asks for TLS, which this program leaves to a collector on this machine. Whoever
    /// set the variable must fix it.
    #[error(
        "{variable} asks for unsupported TLS; let a collector on this machine forward over TLS"
    )]
    EndpointNeedsTls {
        /// The variable.
        variable: &'static str,
    },
    /// The address names a host, but this program looks up no names. Whoever set the variable must
    /// fix it.
    #[error("{variable} names a host, which is not looked up; use an IP address or localhost")]
    EndpointNeedsLookUp {
        /// The variable.
        variable: &'static str,
    },
    /// The address holds a user name or a password, which would end up in logs. Whoever set the
    /// variable must fix it.
    #[error("{variable} holds credentials; put them into OTEL_EXPORTER_OTLP_HEADERS")]
    EndpointHoldsCredentials {
        /// The variable.
        variable: &'static str,
    },
    /// The exporter refused the settings that it was built with.
    #[error("the OTLP exporter refused its settings")]
    ExporterRefused(#[source] ExporterBuildError),
    /// The program has a bug: another subscriber already collects the events of this process.
    #[error("telemetry was already started in this process")]
    AlreadyStarted(#[source] SetGlobalDefaultError),
}

impl TelemetryError {
    /// The stable code of this error, such as `endpoint_invalid`.
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
