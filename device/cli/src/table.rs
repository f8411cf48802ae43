//! Lays out tables for people, with bold headings on a terminal and as plain lines in a pipe.

use std::fmt::Write as _;

use anstyle::Style;

const GAP: usize = 2;

/// Rows under a heading. Each column is as wide as its longest cell.
pub(crate) fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|c| without_control_characters(c))).collect();
    let mut widths = heading.map(width);
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    let mut text = line(heading, widths, Style::new().bold());
    for row in &rows {
        text.push_str(&line(row.each_ref().map(String::as_str), widths, Style::new()));
    }
    text
}

/// Names and values, with one pair on each line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let widest = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in pairs {
        let bold = Style::new().bold();
        let fill = widest.saturating_sub(width(name)).saturating_add(GAP);
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "{bold}{name}{bold:#}{:fill$}{}", "", without_control_characters(value));
    }
    text
}

fn line<const N: usize>(cells: [&str; N], widths: [usize; N], style: Style) -> String {
    let mut text = String::new();
    let mut fill = 0;
    for (cell, width_of_column) in cells.into_iter().zip(widths) {
        let _ = write!(text, "{:fill$}{style}{cell}{style:#}", "");
        fill = width_of_column.saturating_sub(width(cell)).saturating_add(GAP);
    }
    // An empty last cell leaves padding at the end of the line.
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Replaces control characters, which could move the cursor or colour the terminal. The text
/// may come from anybody.
fn without_control_characters(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_style(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned() {
        let cell = str::to_owned;
        let rows = [[cell("a"), cell("ä long one"), cell("x")], [cell("bb"), cell(""), cell("")]];
        let text = columns(["ONE", "TWO", "THREE"], &rows);
        let expected = "ONE  TWO         THREE\na    ä long one  x\nbb\n";
        assert_eq!(without_style(&text), expected);
        let text = pairs(&[("one", cell("1")), ("second", cell("2"))]);
        assert_eq!(without_style(&text), "one     1\nsecond  2\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let evil = "\u{1b}[31m\u{7}\u{9b}31m\n";
        let texts = [columns(["A"], &[[evil.to_owned()]]), pairs(&[("a", evil.to_owned())])];
        for text in texts {
            let escaped = without_style(&text).contains(|c: char| c.is_control() && c != '\n');
            assert!(!escaped, "{text:?}");
            assert!(!text.contains("[31m\u{7}") && text.contains("\u{fffd}[31m"), "{text:?}");
        }
    }
}
