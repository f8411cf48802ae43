use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::SystemTime,
    },
    registry::LookupSpan,
};

use crate::AUDIT;

/// Keeps an event on one line: a line feed in somebody's text must not look like the next event.
pub(crate) struct OneLine<F> {
    format: F,
    prefix: Prefix,
}

/// What stands in front of each line.
enum Prefix {
    Nothing,
    Priority,
}

impl OneLine<Format<Full, SystemTime>> {
    /// For people and files.
    pub(crate) fn text(colored: bool) -> Self {
        Self { format: Format::default().with_ansi(colored), prefix: Prefix::Nothing }
    }
}

impl OneLine<Format<Full, ()>> {
    /// For the journal, which has time and level from elsewhere.
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

/// Severities of RFC 5424 section 6.2.1, as sd-daemon(3) has them.
fn priority(event: &Event<'_>) -> u8 {
    let metadata = event.metadata();
    match *metadata.level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        // Normal but significant.
        Level::INFO if metadata.target() == AUDIT => 5,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}
