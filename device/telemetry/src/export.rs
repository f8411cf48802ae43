use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::Instant,
};

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{BatchSpanProcessor, SdkTracerProvider},
};

use crate::{
    Service, TelemetryError, collector_client::CollectorClient, export_settings::Destination,
    exported_spans::ObservedOnly, outage::Outage,
};

/// The running export of one signal.
#[derive(Debug)]
pub(crate) struct Export<P> {
    pub(crate) provider: P,
    outage: Arc<Outage>,
}

/// Starts the export of traces: a thread, and a queue that drops what does not fit.
pub(crate) fn traces(
    destination: &Destination,
    resource: Resource,
) -> Result<Export<SdkTracerProvider>, TelemetryError> {
    let outage = Arc::new(Outage::of(destination.signal));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient::new(destination, Arc::clone(&outage)))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(destination.endpoint.url())
        .with_timeout(destination.timeout)
        .build()
        .map_err(TelemetryError::ExporterRefused)?;
    let processor = ObservedOnly(BatchSpanProcessor::builder(exporter).build());
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build();
    Ok(Export { provider, outage })
}

/// Starts the export of metrics: a thread that sends sums as they are at the time.
pub(crate) fn metrics(
    destination: &Destination,
    resource: Resource,
) -> Result<Export<SdkMeterProvider>, TelemetryError> {
    let outage = Arc::new(Outage::of(destination.signal));
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(CollectorClient::new(destination, Arc::clone(&outage)))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(destination.endpoint.url())
        .with_timeout(destination.timeout)
        .build()
        .map_err(TelemetryError::ExporterRefused)?;
    let reader = PeriodicReader::builder(exporter).build();
    let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    Ok(Export { provider, outage })
}

/// An export that sends its last data.
pub(crate) struct Ending {
    outcome: Receiver<OTelSdkResult>,
    outage: Arc<Outage>,
}

impl<P: Send + 'static> Export<P> {
    /// On a thread of its own, for the reader of metrics waits longer than it is told to.
    pub(crate) fn end(self, shutdown: impl FnOnce(&P) -> OTelSdkResult + Send + 'static) -> Ending {
        let (sender, outcome) = mpsc::channel();
        let Self { provider, outage } = self;
        let ending = thread::Builder::new().name("telemetry-end".to_owned());
        // Without a thread the channel is closed, which says that nothing was sent.
        let _ = ending.spawn(move || sender.send(shutdown(&provider)));
        Ending { outcome, outage }
    }
}

impl Ending {
    /// Tells what was not sent in time, unless an outage has been told already.
    pub(crate) fn wait_until(self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.outcome.recv_timeout(left) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => self.outage.failed(&cause),
            Err(cause) => self.outage.failed(&cause),
        }
    }
}

/// Who we say we are: what the environment says first, then ourselves.
pub(crate) fn resource(service: Service) -> Resource {
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
