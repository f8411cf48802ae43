//! The settings of the export, read from the standard `OTEL_*` variables.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::error::TelemetryError;

/// How long an export may take unless a variable says otherwise (OTLP exporter specification,
/// "Timeout").
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The exported signals and their destinations.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExportSettings {
    pub(crate) traces: Option<Destination>,
    pub(crate) metrics: Option<Destination>,
    pub(crate) ignored: Vec<IgnoredSetting>,
}

/// Where the data of one signal is sent, and how long an export may take.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) signal: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
}

/// A setting that is not supported, and what happens instead. It is logged at the start, because a
/// service must not stay down because of its telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IgnoredSetting {
    pub(crate) variable: &'static str,
    pub(crate) consequence: &'static str,
}

/// The variables of one signal.
struct Signal {
    name: &'static str,
    path: &'static str,
    exporter: &'static str,
    endpoint: &'static str,
    protocol: &'static str,
    timeout: &'static str,
    compression: &'static str,
}

const TRACES: Signal = Signal {
    name: "traces",
    path: "/v1/traces",
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    compression: "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
};

const METRICS: Signal = Signal {
    name: "metrics",
    path: "/v1/metrics",
    exporter: "OTEL_METRICS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    compression: "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
};

const DISABLED: &str = "OTEL_SDK_DISABLED";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";

/// Reads an environment variable. An empty value counts as not set.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl ExportSettings {
    pub(crate) fn read(environment: Environment<'_>) -> Result<Self, TelemetryError> {
        if environment(DISABLED).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let mut reader = SettingsReader { environment, ignored: Vec::new() };
        let traces = reader.destination(&TRACES)?;
        let metrics = reader.destination(&METRICS)?;
        Ok(Self { traces, metrics, ignored: reader.ignored })
    }
}

struct SettingsReader<'a> {
    environment: Environment<'a>,
    ignored: Vec<IgnoredSetting>,
}

impl SettingsReader<'_> {
    /// Returns `None` unless the environment asks for the export of this signal.
    fn destination(&mut self, signal: &Signal) -> Result<Option<Destination>, TelemetryError> {
        let endpoint = self.first_of([signal.endpoint, ENDPOINT]);
        if !self.is_asked_for(signal, endpoint.is_some()) || !self.uses_http(signal) {
            return Ok(None);
        }
        match self.first_of([signal.compression, COMPRESSION]) {
            Some((variable, compression)) if compression != "none" => {
                self.ignore(variable, "nothing is compressed");
            }
            _ => {}
        }
        let timeout = self.timeout(signal);
        let endpoint = match endpoint {
            None => Endpoint::default_for(signal.path)?,
            Some((variable, base)) if variable == ENDPOINT => {
                Endpoint::with_base(variable, &base, signal.path)?
            }
            Some((variable, whole)) => Endpoint::parse(variable, &whole)?,
        };
        Ok(Some(Destination { signal: signal.name, endpoint, timeout }))
    }

    /// Whether the environment asks for this signal: it names the `otlp` exporter, or it names a
    /// collector and no exporter.
    fn is_asked_for(&mut self, signal: &Signal, has_endpoint: bool) -> bool {
        let Some(names) = (self.environment)(signal.exporter) else { return has_endpoint };
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        if names.iter().any(|name| !["otlp", "none"].contains(name)) {
            self.ignore(signal.exporter, "otlp is the only exporter; the others are ignored");
        }
        names.contains(&"otlp")
    }

    fn uses_http(&mut self, signal: &Signal) -> bool {
        let Some((variable, protocol)) = self.first_of([signal.protocol, PROTOCOL]) else {
            return true;
        };
        match protocol.as_str() {
            "http/protobuf" => true,
            "grpc" => {
                self.ignore(
                    variable,
                    "gRPC is not supported, so nothing is exported; set http/protobuf",
                );
                false
            }
            _ => {
                self.ignore(variable, "http/protobuf is used instead");
                true
            }
        }
    }

    fn timeout(&mut self, signal: &Signal) -> Duration {
        let Some((variable, milliseconds)) = self.first_of([signal.timeout, TIMEOUT]) else {
            return DEFAULT_TIMEOUT;
        };
        if let Ok(milliseconds @ 1..) = milliseconds.parse() {
            return Duration::from_millis(milliseconds);
        }
        self.ignore(variable, "an export may take 10 s, which is the default");
        DEFAULT_TIMEOUT
    }

    /// Returns the first of these variables that is set, and its value.
    fn first_of(&self, variables: [&'static str; 2]) -> Option<(&'static str, String)> {
        let read = |variable| Some((variable, (self.environment)(variable)?.trim().to_owned()));
        variables.into_iter().find_map(read)
    }

    /// Records a setting once, even if both signals share it.
    fn ignore(&mut self, variable: &'static str, consequence: &'static str) {
        let ignored = IgnoredSetting { variable, consequence };
        if !self.ignored.contains(&ignored) {
            self.ignored.push(ignored);
        }
    }
}

#[cfg(test)]
mod tests;
