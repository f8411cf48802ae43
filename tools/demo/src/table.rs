//! The table that the demo prints.

use anstyle::{AnsiColor, Style};

/// The steps of the demo and their outcomes, in sections.
#[derive(Default)]
pub(crate) struct Table {
    sections: Vec<(&'static str, Vec<Row>)>,
}

struct Row {
    what: &'static str,
    expected: String,
    outcome: String,
}

impl Row {
    fn is_as_expected(&self) -> bool {
        self.expected == self.outcome
    }
}

impl Table {
    pub(crate) fn section(&mut self, title: &'static str) {
        self.sections.push((title, Vec::new()));
    }

    /// Adds a step with its expected and its actual outcome to the last section.
    pub(crate) fn row(&mut self, what: &'static str, expected: &str, outcome: impl Into<String>) {
        let row = Row { what, expected: expected.to_owned(), outcome: outcome.into() };
        if let Some((_, rows)) = self.sections.last_mut() {
            rows.push(row);
        }
    }

    pub(crate) fn is_as_expected(&self) -> bool {
        self.rows().all(Row::is_as_expected)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|(_, rows)| rows)
    }

    pub(crate) fn print(&self) {
        let width = self.rows().map(|row| row.what.len()).max().unwrap_or_default();
        let bold = Style::new().bold();
        for (title, rows) in &self.sections {
            anstream::println!("{bold}{title}{bold:#}");
            for row in rows {
                let (word, color) = if row.is_as_expected() {
                    ("pass", AnsiColor::Green)
                } else {
                    ("FAIL", AnsiColor::Red)
                };
                let style = Style::new().fg_color(Some(color.into())).bold();
                let Row { what, expected, outcome } = row;
                anstream::print!("  {style}{word}{style:#}  {what:<width$}  {outcome}");
                if !row.is_as_expected() {
                    anstream::print!(" instead of {expected}");
                }
                anstream::println!();
            }
        }
    }
}
