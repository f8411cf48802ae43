//! Cuts a byte stream into lines.

use std::borrow::Cow;

use device_key_protocol::MAX_MESSAGE_BYTES;

use crate::app_server::turnstile::Turn;
use crate::connection::RawMessage;

/// Holds at most one unfinished line, which is within the limit.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    pending: Vec<u8>,
    is_too_long: bool,
}

impl LineSplitter {
    /// Removes the next line from the front of a chunk and returns the line without its line feed.
    /// Returns `None` when the chunk is used up before a line ends, or the turn is over. Blank
    /// lines are skipped, and cost as much of the turn as other lines.
    pub(super) fn next<'a>(
        &mut self,
        chunk: &mut &'a [u8],
        turn: &mut Turn,
    ) -> Option<RawMessage<'a>> {
        while !chunk.is_empty() && !turn.is_over() {
            let Some((line_end, rest)) = split_at_line_feed(chunk) else {
                turn.spend(0);
                self.append(std::mem::take(chunk));
                return None;
            };
            *chunk = rest;
            turn.spend(self.pending.len() + line_end.len());
            if let Some(line) = self.complete(line_end) {
                return Some(line);
            }
        }
        None
    }

    /// The line that is pending when the stream ends.
    pub(super) fn finish(&mut self) -> Option<RawMessage<'static>> {
        let line = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.is_too_long) {
            return Some(RawMessage::TooLong);
        }
        (!is_blank(&line)).then_some(RawMessage::Complete(Cow::Owned(line)))
    }

    fn complete<'a>(&mut self, line_end: &'a [u8]) -> Option<RawMessage<'a>> {
        let is_whole = self.pending.is_empty() && !self.is_too_long;
        if is_whole && line_end.len() <= MAX_MESSAGE_BYTES {
            return (!is_blank(line_end)).then_some(RawMessage::Complete(Cow::Borrowed(line_end)));
        }
        self.append(line_end);
        self.finish()
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

fn split_at_line_feed(chunk: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = chunk.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = chunk.split_at_checked(at)?;
    Some((line, rest.get(1..).unwrap_or_default()))
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{LineSplitter, MAX_MESSAGE_BYTES, RawMessage, Turn};

    fn complete(text: &[u8]) -> RawMessage<'_> {
        RawMessage::Complete(Cow::Borrowed(text))
    }

    fn split<'a>(lines: &mut LineSplitter, mut chunk: &'a [u8]) -> Vec<RawMessage<'a>> {
        let all = std::iter::from_fn(|| lines.next(&mut chunk, &mut Turn::default())).collect();
        assert_eq!(chunk, b"", "the whole chunk is taken");
        all
    }

    #[test]
    fn chunks_need_not_be_lines() {
        let mut lines = LineSplitter::default();
        assert_eq!(split(&mut lines, b"ab"), []);
        assert_eq!(split(&mut lines, b"c\n\n \r\nd\r\ne"), [complete(b"abc"), complete(b"d\r")]);
        assert_eq!(lines.finish(), Some(complete(b"e")));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn one_line_is_taken_at_a_time() {
        let mut lines = LineSplitter::default();
        let mut chunk: &[u8] = b"\none\ntwo\n";
        let mut turn = Turn::default();
        assert_eq!(lines.next(&mut chunk, &mut turn), Some(complete(b"one")));
        assert_eq!(chunk, b"two\n");
        assert_eq!(lines.next(&mut chunk, &mut turn), Some(complete(b"two")));
        assert_eq!(lines.next(&mut chunk, &mut turn), None);
    }

    #[test]
    fn the_limit_is_exact_and_the_next_line_survives() {
        let longest = vec![b'x'; MAX_MESSAGE_BYTES];
        let mut lines = LineSplitter::default();
        split(&mut lines, &longest);
        assert_eq!(split(&mut lines, b"\nnext\n"), [complete(&longest), complete(b"next")]);
        split(&mut lines, &longest);
        assert_eq!(split(&mut lines, b"x"), []);
        assert_eq!(split(&mut lines, &longest), []);
        assert_eq!(split(&mut lines, b"\nnext\n"), [RawMessage::TooLong, complete(b"next")]);
        let at_once = [&longest, &b"x\nnext\n"[..]].concat();
        assert_eq!(split(&mut lines, &at_once), [RawMessage::TooLong, complete(b"next")]);
        let at_once = [&longest, &b"\n"[..]].concat();
        assert_eq!(split(&mut lines, &at_once), [complete(&longest)]);
    }
}
