use std::time::Duration;

use opentelemetry::{
    Context, Key,
    trace::{SpanContext, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor},
};
use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Registry,
    layer::{self, Filter},
};

use crate::observed;

/// Lets our spans through to OpenTelemetry, and no event.
pub(crate) struct TracedSpans;

impl TracedSpans {
    fn lets_through(metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
            && *metadata.level() <= Level::DEBUG
            && metadata.target().starts_with(observed::OURS)
            && metadata.name() != observed::CONNECTION
    }
}

impl Filter<Registry> for TracedSpans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, Registry>) -> bool {
        Self::lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}

/// Takes off a finished span what must not be exported, before it waits in the queue.
#[derive(Debug)]
pub(crate) struct ObservedOnly(pub(crate) BatchSpanProcessor);

impl SpanProcessor for ObservedOnly {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        span.attributes.retain_mut(|attribute| {
            let name = observed::attribute(attribute.key.as_str());
            if let Some(name) = name {
                attribute.key = Key::from_static_str(name);
            }
            name.is_some()
        });
        span.events = opentelemetry_sdk::trace::SpanEvents::default();
        let context = &span.span_context;
        span.span_context = SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags(),
            context.is_remote(),
            TraceState::NONE,
        );
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
