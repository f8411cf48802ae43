use std::time::{Duration, Instant};

use opentelemetry::{metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::SdkTracerProvider};
use tracing::warn;
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

use crate::{
    Settings, TelemetryError,
    export::{self, Export},
    exported_spans::TracedSpans,
    logs,
    span_metrics::{MeasuredSpans, SpanMetrics},
};

/// How long a program that ends early, without [`Telemetry::shutdown`], waits for a collector.
const WAIT_ON_DROP: Duration = Duration::from_millis(500);

/// The telemetry of this process, from its start on.
#[derive(Debug)]
#[must_use = "what is not shut down may lose what it has not sent yet"]
pub struct Telemetry {
    traces: Option<Export<SdkTracerProvider>>,
    metrics: Option<Export<SdkMeterProvider>>,
}

impl Telemetry {
    /// Begins to log, and to export if the settings say so. Once a process.
    ///
    /// Without an export this makes no thread and opens nothing. With one, it makes a thread for
    /// each signal and does not wait for the collector.
    pub fn start(settings: &Settings) -> Result<Self, TelemetryError> {
        let mut layers = vec![logs::layer(settings)];
        let export = &settings.export;
        let resource = || export::resource(settings.service);
        let traces = export.traces.as_ref().map(|to| export::traces(to, resource())).transpose()?;
        let metrics =
            export.metrics.as_ref().map(|to| export::metrics(to, resource())).transpose()?;
        if let Some(traces) = &traces {
            let layer = tracing_opentelemetry::layer()
                .with_tracer(traces.provider.tracer(settings.service.name))
                .with_level(false)
                .with_location(false)
                .with_target(false)
                .with_threads(false)
                .with_tracked_inactivity(false);
            layers.push(layer.with_filter(TracedSpans).boxed());
        }
        if let Some(metrics) = &metrics {
            let layer = SpanMetrics::of(&metrics.provider.meter(settings.service.name));
            layers.push(layer.with_filter(MeasuredSpans).boxed());
        }
        let telemetry = Self { traces, metrics };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers))
            .map_err(TelemetryError::AlreadyStarted)?;
        for ignored in &export.ignored {
            warn!(
                variable = ignored.variable,
                consequence = ignored.consequence,
                "a telemetry setting cannot be followed"
            );
        }
        Ok(telemetry)
    }

    /// Sends what has not been sent yet, and gives up after this time. Logging goes on.
    ///
    /// It blocks the calling thread.
    pub fn shutdown(mut self, within: Duration) {
        self.flush(within);
    }

    fn flush(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        let traces = self
            .traces
            .take()
            .map(|export| export.end(move |provider| provider.shutdown_with_timeout(within)));
        let metrics = self
            .metrics
            .take()
            .map(|export| export.end(move |provider| provider.shutdown_with_timeout(within)));
        for ending in [traces, metrics].into_iter().flatten() {
            ending.wait_until(deadline);
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.flush(WAIT_ON_DROP);
    }
}
