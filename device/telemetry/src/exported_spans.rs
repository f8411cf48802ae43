//! Which spans are exported as traces, and which of their data.

use std::time::Duration;

use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{Context, Key};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

use crate::observed;

/// Whether a span with this name is exported as part of a trace.
pub(crate) fn is_exported(name: &str) -> bool {
    name != observed::CONNECTION
}

/// A span processor that removes from a finished span everything that must not be exported, before
/// the span waits in the queue.
#[derive(Debug)]
pub(crate) struct SpanScrubber(pub(crate) BatchSpanProcessor);

impl SpanProcessor for SpanScrubber {
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
