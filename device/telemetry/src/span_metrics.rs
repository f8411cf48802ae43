//! Makes metrics from spans.

use std::fmt;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::observed;

/// The boundaries of the histogram's buckets in seconds. They range from an operation of the OS
/// keystore (about 50 µs) and of a TPM (5 to 500 ms) to a prompt that a person answers.
const BOUNDARIES: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 10.0, 60.0,
];

/// A layer that makes metrics from spans, so that code which makes spans need not know about
/// metrics.
pub(crate) struct SpanMetrics {
    requests: Counter<u64>,
    request_duration: Histogram<f64>,
    operation_duration: Histogram<f64>,
    waiting: UpDownCounter<i64>,
    connections: UpDownCounter<i64>,
}

impl SpanMetrics {
    pub(crate) fn of(meter: &Meter) -> Self {
        let duration = |name: &'static str, description: &'static str| {
            meter
                .f64_histogram(name)
                .with_description(description)
                .with_unit("s")
                .with_boundaries(BOUNDARIES.to_vec())
                .build()
        };
        Self {
            requests: meter
                .u64_counter("device_key.requests")
                .with_description("Requests that were answered.")
                .with_unit("{request}")
                .build(),
            request_duration: duration("rpc.server.call.duration", "From a request to its answer."),
            operation_duration: duration(
                "device_key.provider.operation.duration",
                "An operation in a provider, without waiting for its turn.",
            ),
            waiting: meter
                .i64_up_down_counter("device_key.provider.waiting")
                .with_description("Operations that wait for their turn in a provider.")
                .with_unit("{operation}")
                .build(),
            connections: meter
                .i64_up_down_counter("device_key.connections")
                .with_description("Open connections.")
                .with_unit("{connection}")
                .build(),
        }
    }

    /// The gauge that counts a span while the span is open.
    fn gauge(&self, span: &str) -> Option<&UpDownCounter<i64>> {
        match span {
            observed::WAITING => Some(&self.waiting),
            observed::CONNECTION => Some(&self.connections),
            _ => None,
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanMetrics {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut observation = Observation { begun: Instant::now(), dimensions: Vec::new() };
        attributes.record(&mut observation);
        if let Some(gauge) = self.gauge(span.name()) {
            gauge.add(1, &observation.dimensions);
        }
        span.extensions_mut().insert(observation);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // The gauge must go down with the attributes with which it went up.
        if self.gauge(span.name()).is_some() {
            return;
        }
        if let Some(observation) = span.extensions_mut().get_mut::<Observation>() {
            values.record(observation);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(observation) = span.extensions_mut().remove::<Observation>() else { return };
        let Observation { begun, mut dimensions } = observation;
        match span.name() {
            observed::REQUEST => {
                dimensions.push(KeyValue::new("rpc.system.name", "jsonrpc"));
                self.requests.add(1, &dimensions);
                self.request_duration.record(begun.elapsed().as_secs_f64(), &dimensions);
            }
            observed::PROVIDER => {
                self.operation_duration.record(begun.elapsed().as_secs_f64(), &dimensions);
            }
            name => {
                if let Some(gauge) = self.gauge(name) {
                    gauge.add(-1, &dimensions);
                }
            }
        }
    }
}

/// The data that is recorded about an open span.
struct Observation {
    begun: Instant,
    dimensions: Vec<KeyValue>,
}

impl Visit for Observation {
    fn record_str(&mut self, field: &Field, value: &str) {
        let Some(name) = observed::dimension(field.name()) else { return };
        self.dimensions.retain(|dimension| dimension.key.as_str() != name);
        self.dimensions.push(KeyValue::new(name, value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if observed::dimension(field.name()).is_some() {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// Whether a span with this name is counted or timed.
pub(crate) fn is_measured(name: &str) -> bool {
    [observed::REQUEST, observed::PROVIDER, observed::WAITING, observed::CONNECTION].contains(&name)
}
