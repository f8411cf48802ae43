//! Finds the place of an error in the text: line and column for people, the key for programs.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Returns the line and column of a byte. Both start at 1. The column counts characters.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}

/// Returns the dotted path of the innermost key at this byte. A key is at the byte if the key
/// itself or its value is there.
pub(crate) fn key_at(text: &str, byte: usize) -> Option<String> {
    // If the text has a syntax error, the part before the error can still be read.
    let (document, _) = DeTable::parse_recoverable(text);
    let keys = innermost(document.get_ref(), byte)?;
    Some(keys.join("."))
}

fn innermost<'a>(table: &'a DeTable<'_>, byte: usize) -> Option<Vec<&'a str>> {
    // The span of a table covers only its header, so the members are always searched first.
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

/// Whether the byte is in the span or directly after it. The parser reports a missing part directly
/// after the span.
fn touches(span: &Range<usize>, byte: usize) -> bool {
    span.start <= byte && byte <= span.end
}
