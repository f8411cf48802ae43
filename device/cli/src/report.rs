//! Prints results to standard output: rows for people, with colour on a terminal and as plain text
//! in a pipe, and JSON for programs.

use std::fmt;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use crate::exit::{Exit, Failure};

/// The verdict of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Pass,
    Warn,
    Fail,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Pass => AnsiColor::Green,
            Self::Warn => AnsiColor::Yellow,
            Self::Fail => AnsiColor::Red,
        };
        Style::new().fg_color(Some(color.into())).bold()
    }
}

/// Prints a verdict and two columns. The first column is padded to `width` characters.
pub(crate) fn row(
    verdict: Verdict,
    first: &str,
    width: usize,
    second: &str,
) -> Result<(), Failure> {
    let style = verdict.style();
    line(format_args!("  {style}{}{style:#}  {first:<width$}  {second}", verdict.word()))
}

/// Prints a heading.
pub(crate) fn heading(text: &str) -> Result<(), Failure> {
    let style = Style::new().bold();
    line(format_args!("{style}{text}{style:#}"))
}

/// Prints a line.
pub(crate) fn line(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Prints text to standard output, which may be a full disk or a pipe that nobody reads any more.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut output = anstream::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| Failure {
        exit: Exit::TransportFailed,
        what: "the result cannot be shown".to_owned(),
        cause: format!("standard output: {error}"),
        fix: None,
    })
}
