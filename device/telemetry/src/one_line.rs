//! Formats of the log that keep each event on one line.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::printable::write_printable_json;

/// The target of audit events. Audit events of level info and above are written whatever the filter
/// says.
pub const AUDIT: &str = "audit";

/// The format for the journal, which gets the time and the level separately. The fields of its
/// events must be printable already.
pub(crate) struct JournalLine(Format<Full, ()>);

/// The format for programs: one JSON object on a line, with only printable characters.
pub(crate) struct JsonLine(Format<Json, SystemTime>);

impl JournalLine {
    pub(crate) fn new() -> Self {
        Self(Format::default().without_time().with_level(false).with_ansi(false))
    }
}

impl JsonLine {
    pub(crate) fn new() -> Self {
        Self(Format::default().with_ansi(false).json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(event))?;
        self.0.format_event(context, writer, event)
    }
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut json = String::new();
        self.0.format_event(context, Writer::new(&mut json), event)?;
        write_printable_json(&mut writer, json.trim_end())?;
        writer.write_char('\n')
    }
}

/// The severity of an event (RFC 5424 section 6.2.1, with the numbers of sd-daemon(3)).
fn priority(event: &Event<'_>) -> u8 {
    let metadata = event.metadata();
    match *metadata.level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        // The severity "normal but significant".
        Level::INFO if metadata.target() == AUDIT => 5,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}
