//! A format of the log that keeps each event on one line.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The target of audit events. Audit events of level info and above are written whatever the filter
/// says.
pub const AUDIT: &str = "audit";

/// A format that keeps each event on one line, so that a line feed in a text cannot look like the
/// start of the next event.
pub(crate) struct OneLine<F> {
    format: F,
    prefix: Prefix,
}

/// What is written in front of each line.
enum Prefix {
    Nothing,
    Priority,
}

impl OneLine<Format<Full, SystemTime>> {
    /// The format for people and files.
    pub(crate) fn text(colored: bool) -> Self {
        Self { format: Format::default().with_ansi(colored), prefix: Prefix::Nothing }
    }
}

impl OneLine<Format<Full, ()>> {
    /// The format for the journal, which gets the time and the level separately.
    pub(crate) fn journal() -> Self {
        let format = Format::default().without_time().with_level(false).with_ansi(false);
        Self { format, prefix: Prefix::Priority }
    }
}

impl<S, N, F> FormatEvent<S, N> for OneLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.format.format_event(context, Writer::new(&mut text), event)?;
        if let Prefix::Priority = self.prefix {
            write!(writer, "<{}>", priority(event))?;
        }
        for character in text.trim_end().chars() {
            match character {
                '\n' => writer.write_str("\\n")?,
                '\r' => writer.write_str("\\r")?,
                character => writer.write_char(character)?,
            }
        }
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
