use std::time::Duration;

use crate::{TelemetryError, endpoint::Endpoint};

/// How long an export may take if nothing else is said (OTLP exporter specification, "Timeout").
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is exported, and where to.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExportSettings {
    pub(crate) traces: Option<Destination>,
    pub(crate) metrics: Option<Destination>,
    pub(crate) ignored: Vec<Ignored>,
}

/// Where the data of one signal goes, and for how long it is tried.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) signal: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
}

/// A setting that we cannot follow, and what is done instead. Said at start, for a service must not
/// stay down because of its telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
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

/// The environment, without empty values.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl ExportSettings {
    pub(crate) fn read(environment: Environment<'_>) -> Result<Self, TelemetryError> {
        if environment(DISABLED).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let mut reader = Reader { environment, ignored: Vec::new() };
        let traces = reader.destination(&TRACES)?;
        let metrics = reader.destination(&METRICS)?;
        Ok(Self { traces, metrics, ignored: reader.ignored })
    }
}

struct Reader<'a> {
    environment: Environment<'a>,
    ignored: Vec<Ignored>,
}

impl Reader<'_> {
    /// `None` unless the environment asks for this signal.
    fn destination(&mut self, signal: &Signal) -> Result<Option<Destination>, TelemetryError> {
        let endpoint = self.first_of([signal.endpoint, ENDPOINT]);
        if !self.is_asked_for(signal, endpoint.is_some()) || !self.speaks_http(signal) {
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
            None => Endpoint::usual(signal.path)?,
            Some((variable, base)) if variable == ENDPOINT => {
                Endpoint::below(variable, &base, signal.path)?
            }
            Some((variable, whole)) => Endpoint::parse(variable, &whole)?,
        };
        Ok(Some(Destination { signal: signal.name, endpoint, timeout }))
    }

    /// By naming our exporter, or a collector and no exporter.
    fn is_asked_for(&mut self, signal: &Signal, has_endpoint: bool) -> bool {
        let Some(names) = (self.environment)(signal.exporter) else { return has_endpoint };
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        if names.iter().any(|name| !["otlp", "none"].contains(name)) {
            self.ignore(signal.exporter, "there is no exporter but otlp");
        }
        names.contains(&"otlp")
    }

    fn speaks_http(&mut self, signal: &Signal) -> bool {
        let Some((variable, protocol)) = self.first_of([signal.protocol, PROTOCOL]) else {
            return true;
        };
        match protocol.as_str() {
            "http/protobuf" => true,
            "grpc" => {
                self.ignore(variable, "gRPC is not spoken, nothing is exported: set http/protobuf");
                false
            }
            _ => {
                self.ignore(variable, "http/protobuf is used");
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
        self.ignore(variable, "an export may take 10 s");
        DEFAULT_TIMEOUT
    }

    /// The first of these variables that is set, and its value.
    fn first_of(&self, variables: [&'static str; 2]) -> Option<(&'static str, String)> {
        let read = |variable| Some((variable, (self.environment)(variable)?.trim().to_owned()));
        variables.into_iter().find_map(read)
    }

    /// Remembers a setting once, though both signals may share it.
    fn ignore(&mut self, variable: &'static str, consequence: &'static str) {
        let ignored = Ignored { variable, consequence };
        if !self.ignored.contains(&ignored) {
            self.ignored.push(ignored);
        }
    }
}

#[cfg(test)]
mod tests;
