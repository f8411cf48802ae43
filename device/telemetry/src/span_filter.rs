//! Selects the spans of this project that a layer receives.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Filter};

use crate::observed;

/// Lets through the spans of this project whose name the function accepts, and no events.
pub(crate) struct SpanFilter(pub(crate) fn(&str) -> bool);

impl SpanFilter {
    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        let Self(accepts) = self;
        metadata.is_span()
            && *metadata.level() <= Level::DEBUG
            && metadata.target().starts_with(observed::OUR_MODULES)
            && accepts(metadata.name())
    }
}

impl Filter<Registry> for SpanFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, Registry>) -> bool {
        self.lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}
