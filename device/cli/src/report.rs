//! Prints rows for people, with colour on a terminal and as plain text in a pipe.

use anstyle::{AnsiColor, Style};

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
pub(crate) fn row(verdict: Verdict, first: &str, width: usize, second: &str) {
    let style = verdict.style();
    anstream::println!("  {style}{}{style:#}  {first:<width$}  {second}", verdict.word());
}

/// Prints a heading.
pub(crate) fn heading(text: &str) {
    let style = Style::new().bold();
    anstream::println!("{style}{text}{style:#}");
}
