//! Escapes every character of the log that is not printable, and quotes every text that could be
//! taken for the log's own structure.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultFields, DefaultVisitor, Writer};

/// Whether a character is shown as it is. Control characters, format characters (among them the
/// marks of direction), separators other than the space, and characters that could change the
/// look of the character before them are not.
pub(crate) fn is_printable(character: char) -> bool {
    // `escape_debug` also escapes what has a meaning in a literal of Rust.
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

/// Writes a text in which each character that is not printable is escaped as in a literal of Rust.
fn write_printable(out: &mut impl Write, text: &str) -> fmt::Result {
    for character in text.chars() {
        if is_printable(character) {
            out.write_char(character)?;
        } else {
            write!(out, "{}", character.escape_debug())?;
        }
    }
    Ok(())
}

/// Writes serialized JSON in which each character that is not printable is escaped. Such characters
/// are only in strings.
pub(crate) fn write_printable_json(out: &mut impl Write, json: &str) -> fmt::Result {
    for character in json.chars() {
        if is_printable(character) {
            out.write_char(character)?;
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

/// Writes the fields of spans and events as `name=value`, for people. Whatever a value contains, a
/// reader can tell where it ends: a value that is not one plain word is in quotes.
#[derive(Debug)]
pub(crate) struct PrintableFields;

/// The visitor of [`PrintableFields`].
#[derive(Debug)]
pub(crate) struct PrintableVisitor<'writer>(DefaultVisitor<'writer>);

impl<'writer> MakeVisitor<Writer<'writer>> for PrintableFields {
    type Visitor = PrintableVisitor<'writer>;

    fn make_visitor(&self, target: Writer<'writer>) -> PrintableVisitor<'writer> {
        PrintableVisitor(DefaultFields::new().make_visitor(target))
    }
}

impl Visit for PrintableVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_message(field) {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if is_message(field) {
            let mut message = String::with_capacity(text.len());
            // Writing to a String cannot fail.
            let _ = write_printable(&mut message, &text);
            self.0.record_debug(field, &format_args!("{message}"));
        } else if is_word(&text) || is_quoted(&text) {
            self.0.record_debug(field, &format_args!("{text}"));
        } else {
            self.0.record_debug(field, &text);
        }
    }
}

impl VisitOutput<fmt::Result> for PrintableVisitor<'_> {
    fn finish(self) -> fmt::Result {
        self.0.finish()
    }
}

impl VisitFmt for PrintableVisitor<'_> {
    fn writer(&mut self) -> &mut dyn Write {
        self.0.writer()
    }
}

/// Whether the field is the text of an event, which is written without a name.
fn is_message(field: &Field) -> bool {
    field.name() == "message"
}

/// Whether a text needs no quotes. The excluded characters structure a line.
fn is_word(text: &str) -> bool {
    let belongs = |character: char| character.is_ascii_graphic() && !"\"\\={}".contains(character);
    !text.is_empty() && text.chars().all(belongs)
}

/// Whether a text is in quotes already and ends at the second quote that is not escaped.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let ends_early = match character {
            '"' => true,
            // A backslash as the last character would escape the closing quote.
            '\\' => !characters.next().is_some_and(is_printable),
            character => !is_printable(character),
        };
        if ends_early {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_quoted_text_counts_as_quoted() {
        for quoted in [r#""""#, r#""a b""#, r#""\"""#, r#""a\\""#, r#""}: \u{202e}""#] {
            assert!(is_quoted(quoted), "{quoted}");
        }
        for not in ["", "a", "\"", r#""a" b="c""#, r#""\""#, r#""\\\""#, "\"\u{202e}\"", "\"\\\n\""]
        {
            assert!(!is_quoted(not), "{not:?}");
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text: String = (0..=0x2_ffff).filter_map(char::from_u32).collect();
        let json = serde_json::to_string(&text).unwrap();
        let mut printable = String::new();
        write_printable_json(&mut printable, &json).unwrap();
        assert!(printable.chars().all(is_printable));
        assert!(serde_json::from_str::<String>(&printable).unwrap() == text);
    }
}
