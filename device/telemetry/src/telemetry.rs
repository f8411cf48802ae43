//! The telemetry of a process, from its start to its shutdown.

use std::panic;
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{error, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::audit_queue::{AuditQueue, WhenFull};
use crate::error::TelemetryError;
use crate::export::{self, Export};
use crate::log_queue::LogQueue;
use crate::settings::Settings;
use crate::span_filter::SpanFilter;
use crate::span_metrics::{self, SpanMetrics};
use crate::{exported_spans, logs};

/// How long a program waits for a collector if it ends without calling [`Telemetry::shutdown`].
const WAIT_ON_DROP: Duration = Duration::from_millis(500);

/// How long the shutdown waits for the reader of standard error.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The running telemetry of this process.
#[derive(Debug)]
#[must_use = "without a shutdown, data that has not been sent yet may be lost"]
pub struct Telemetry {
    log: LogQueue,
    traces: Option<Export<SdkTracerProvider>>,
    metrics: Option<Export<SdkMeterProvider>>,
}

impl Telemetry {
    /// Starts logging, and starts the exports that the settings ask for. Call it once in a process.
    /// From then on, a panic is an event too.
    ///
    /// Without an export, this starts no thread and opens no file. With an export, it starts a
    /// thread for each signal and does not wait for the collector. The first event starts the
    /// thread that writes to standard error.
    pub fn start(settings: &Settings) -> Result<Self, TelemetryError> {
        let log = LogQueue::new();
        let mut layers = vec![logs::layer(settings, log.clone())];
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
            layers.push(layer.with_filter(SpanFilter(exported_spans::is_exported)).boxed());
        }
        if let Some(metrics) = &metrics {
            let layer = SpanMetrics::of(&metrics.provider.meter(settings.service.name));
            layers.push(layer.with_filter(SpanFilter(span_metrics::is_measured)).boxed());
        }
        let telemetry = Self { log, traces, metrics };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers))
            .map_err(TelemetryError::AlreadyStarted)?;
        // The default hook writes to standard error, and could wait for its reader.
        panic::set_hook(Box::new(|panic| error!(%panic, "a thread panicked")));
        for ignored in &export.ignored {
            warn!(
                variable = ignored.variable,
                consequence = ignored.consequence,
                "a telemetry setting is not supported"
            );
        }
        Ok(telemetry)
    }

    /// The room for audit events in the log.
    pub fn audit_queue(&self, when_full: WhenFull) -> AuditQueue {
        AuditQueue::new(self.log.clone(), when_full)
    }

    /// Sends the data that has not been sent yet, and gives up after `within`. Then waits half a
    /// second at most for the reader of standard error. Logging continues.
    ///
    /// This function blocks the calling thread.
    pub fn shutdown(mut self, within: Duration) {
        self.flush(within);
    }

    fn flush(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        let traces = self.traces.take().map(|export| {
            export.begin_shutdown(move |provider| provider.shutdown_with_timeout(within))
        });
        let metrics = self.metrics.take().map(|export| {
            export.begin_shutdown(move |provider| provider.shutdown_with_timeout(within))
        });
        for shutdown in [traces, metrics].into_iter().flatten() {
            shutdown.wait_until(deadline);
        }
        self.log.flush(LAST_LINES);
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.flush(WAIT_ON_DROP);
    }
}
