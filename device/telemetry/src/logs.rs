use std::io;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, LevelFilter, Targets},
    fmt,
};

use crate::{LogFormat, Settings, one_line::OneLine};

/// The target of audit events. Those of level info and above are written whatever is filtered.
pub const AUDIT: &str = "audit";

/// A layer as the subscriber takes it.
pub(crate) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Writes events to standard error.
pub(crate) fn layer(settings: &Settings) -> BoxedLayer {
    let chosen = EnvFilter::builder()
        .with_default_directive(settings.default_level.into())
        .parse_lossy(&settings.directives);
    let always = Targets::new().with_target(AUDIT, LevelFilter::INFO);
    let filter = chosen.or(always);
    let layer = fmt::layer().with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Text => {
            let colored = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
            let layer = layer.with_ansi(colored).event_format(OneLine::text(colored));
            layer.with_filter(filter).boxed()
        }
        LogFormat::Json => {
            layer.with_ansi(false).json().flatten_event(true).with_filter(filter).boxed()
        }
        LogFormat::Journal => {
            let layer = layer.with_ansi(false).event_format(OneLine::journal());
            layer.with_filter(filter).boxed()
        }
    }
}
