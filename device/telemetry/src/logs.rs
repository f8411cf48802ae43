//! The layer that writes events to standard error.

use std::io;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::log_format::LogFormat;
use crate::log_queue::LogQueue;
use crate::one_line::{AUDIT, JournalLine, JsonLine};
use crate::printable::PrintableFields;
use crate::settings::Settings;

/// A layer in the form that the subscriber takes.
pub(crate) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Makes the layer that puts events into the queue to standard error.
pub(crate) fn layer(settings: &Settings, queue: LogQueue) -> BoxedLayer {
    let configured = EnvFilter::builder()
        .with_default_directive(settings.default_level.into())
        .parse_lossy(&settings.directives);
    let audit = Targets::new().with_target(AUDIT, LevelFilter::INFO);
    let filter = configured.or(audit);
    let layer = fmt::layer().with_writer(queue);
    match settings.log_format {
        LogFormat::Text => {
            let colored = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
            layer.with_ansi(colored).fmt_fields(PrintableFields).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            layer.with_ansi(false).json().event_format(JsonLine::new()).with_filter(filter).boxed()
        }
        LogFormat::Journal => {
            let layer = layer.with_ansi(false).fmt_fields(PrintableFields);
            layer.event_format(JournalLine::new()).with_filter(filter).boxed()
        }
    }
}
