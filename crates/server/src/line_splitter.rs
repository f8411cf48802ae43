use device_key_protocol::MAX_MESSAGE_BYTES;

/// Cuts a byte stream into lines, holding at most one line within the limit.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    pending: Vec<u8>,
    is_too_long: bool,
}

/// A line without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Complete(Vec<u8>),
    /// Longer than the limit; its bytes were thrown away.
    TooLong,
}

impl LineSplitter {
    /// Takes a chunk and gives the lines that end in it. Blank lines are skipped.
    pub(crate) fn split(&mut self, chunk: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let line_end = part.strip_suffix(b"\n");
            self.append(line_end.unwrap_or(part));
            if line_end.is_some() {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// The line that is pending when the stream ends.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.is_too_long) {
            return Some(Line::TooLong);
        }
        (!line.trim_ascii().is_empty()).then_some(Line::Complete(line))
    }

    fn append(&mut self, part: &[u8]) {
        if self.is_too_long || self.pending.len() + part.len() > MAX_MESSAGE_BYTES {
            self.is_too_long = true;
            self.pending = Vec::new();
        } else {
            self.pending.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, LineSplitter, MAX_MESSAGE_BYTES};

    fn complete(text: &[u8]) -> Line {
        Line::Complete(text.to_vec())
    }

    #[test]
    fn chunks_need_not_be_lines() {
        let mut lines = LineSplitter::default();
        assert_eq!(lines.split(b"ab"), []);
        assert_eq!(lines.split(b"c\n\n \r\nd\r\ne"), [complete(b"abc"), complete(b"d\r")]);
        assert_eq!(lines.finish(), Some(complete(b"e")));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn the_limit_is_exact_and_the_next_line_survives() {
        let mut lines = LineSplitter::default();
        let longest = vec![b'x'; MAX_MESSAGE_BYTES];
        lines.split(&longest);
        assert_eq!(lines.split(b"\nnext\n"), [complete(&longest), complete(b"next")]);
        lines.split(&longest);
        assert_eq!(lines.split(b"x"), []);
        assert_eq!(lines.split(&longest), []);
        assert_eq!(lines.split(b"\nnext\n"), [Line::TooLong, complete(b"next")]);
    }
}
