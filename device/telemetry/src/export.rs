//! Starts and shuts down the export of traces and metrics over OTLP/HTTP.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};

use crate::collector_client::CollectorClient;
use crate::error::TelemetryError;
use crate::export_settings::Destination;
use crate::exported_spans::SpanScrubber;
use crate::outage::Outage;
use crate::settings::ServiceIdentity;

/// The running export of one signal.
#[derive(Debug)]
pub(crate) struct Export<P> {
    pub(crate) provider: P,
    outage: Arc<Outage>,
}

/// Starts the export of traces: a thread, and a queue that drops spans when it is full.
pub(crate) fn traces(
    destination: &Destination,
    resource: Resource,
) -> Result<Export<SdkTracerProvider>, TelemetryError> {
    let outage = Arc::new(Outage::of(destination.signal));
    let exporter = configured(SpanExporter::builder().with_http(), destination, &outage)
        .build()
        .map_err(TelemetryError::ExporterRefused)?;
    let processor = SpanScrubber(BatchSpanProcessor::builder(exporter).build());
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build();
    Ok(Export { provider, outage })
}

/// Starts the export of metrics: a thread that regularly sends the current sums.
pub(crate) fn metrics(
    destination: &Destination,
    resource: Resource,
) -> Result<Export<SdkMeterProvider>, TelemetryError> {
    let outage = Arc::new(Outage::of(destination.signal));
    let exporter = configured(MetricExporter::builder().with_http(), destination, &outage)
        .build()
        .map_err(TelemetryError::ExporterRefused)?;
    let reader = PeriodicReader::builder(exporter).build();
    let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    Ok(Export { provider, outage })
}

/// Makes an exporter send to this destination, over OTLP/HTTP with Protobuf.
fn configured<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    destination: &Destination,
    outage: &Arc<Outage>,
) -> B {
    builder
        .with_http_client(CollectorClient::new(destination, Arc::clone(outage)))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(destination.endpoint.url())
        .with_timeout(destination.timeout)
}

/// An export that is shutting down and sends its last data.
pub(crate) struct Shutdown {
    outcome: Receiver<OTelSdkResult>,
    outage: Arc<Outage>,
}

impl<P: Send + 'static> Export<P> {
    /// Begins to shut down the export on a new thread, because OpenTelemetry's metric reader can
    /// block for longer than the timeout that it is given.
    pub(crate) fn begin_shutdown(
        self,
        shutdown: impl FnOnce(&P) -> OTelSdkResult + Send + 'static,
    ) -> Shutdown {
        let (sender, outcome) = mpsc::channel();
        let Self { provider, outage } = self;
        let thread = thread::Builder::new().name("telemetry-end".to_owned());
        // If the thread cannot be started, the channel closes, and `wait_until` reports that
        // nothing was sent.
        let _ = thread.spawn(move || sender.send(shutdown(&provider)));
        Shutdown { outcome, outage }
    }
}

impl Shutdown {
    /// Waits until the last data is sent. Logs a failure unless an outage is already logged.
    pub(crate) fn wait_until(self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.outcome.recv_timeout(left) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => self.outage.failed(&cause),
            Err(cause) => self.outage.failed(&cause),
        }
    }
}

/// The identity of this service. The environment's values take precedence over `service`.
pub(crate) fn resource(service: ServiceIdentity) -> Resource {
    let detected = Resource::builder().build();
    let is_named = detected
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let version = Key::from_static_str("service.version");
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name(service.name);
    }
    if detected.get(&version).is_none() {
        resource = resource.with_attribute(KeyValue::new(version, service.version));
    }
    resource.build()
}
