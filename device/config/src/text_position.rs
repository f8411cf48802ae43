//! Where in the text an error is: its line and column for people, its key for programs.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Line and column of a byte, both from 1, the column in characters.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}

/// The dotted path of the innermost key that stands at this byte, or whose value does.
pub(crate) fn key_at(text: &str, byte: usize) -> Option<String> {
    // What precedes an error in the syntax can still be read.
    let (document, _) = DeTable::parse_recoverable(text);
    let keys = innermost(document.get_ref(), byte)?;
    Some(keys.join("."))
}

fn innermost<'a>(table: &'a DeTable<'_>, byte: usize) -> Option<Vec<&'a str>> {
    // A table's own span is that of its header, so its members are looked at first in any case.
    table.iter().find_map(|(key, value)| {
        let below = match value.get_ref() {
            DeValue::Table(table) => innermost(table, byte),
            DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
                DeValue::Table(table) => {
                    innermost(table, byte).or_else(|| touches(&item.span(), byte).then(Vec::new))
                }
                _ => None,
            }),
            _ => None,
        };
        let is_here = || touches(&key.span(), byte) || touches(&value.span(), byte);
        let mut keys = below.or_else(|| is_here().then(Vec::new))?;
        keys.insert(0, key.get_ref());
        Some(keys)
    })
}

/// The end counts too: that is where something is missing.
fn touches(span: &Range<usize>, byte: usize) -> bool {
    span.start <= byte && byte <= span.end
}
