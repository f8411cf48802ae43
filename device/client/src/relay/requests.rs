//! Counts the requests in a byte stream, so that a lost answer is noticed.

use device_key_protocol::{MAX_MESSAGE_BYTES, Message};

/// Counts the lines that a service answers: all lines except blank ones and notifications.
#[derive(Default)]
pub(super) struct Requests {
    line: Vec<u8>,
    count: usize,
}

impl Requests {
    /// Reads the next bytes of the stream.
    pub(super) fn read(&mut self, chunk: &[u8]) {
        let mut parts = chunk.split(|byte| *byte == b'\n');
        self.append(parts.next().unwrap_or_default());
        for part in parts {
            self.end_line();
            self.append(part);
        }
    }

    /// The number of requests in the whole stream. The last line need not have a line end.
    pub(super) fn finish(mut self) -> usize {
        self.end_line();
        self.count
    }

    /// Keeps at most one byte more than a service reads. A line that is too long is answered.
    fn append(&mut self, part: &[u8]) {
        let room = MAX_MESSAGE_BYTES.saturating_add(1).saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn end_line(&mut self) {
        let is_answered = if self.line.len() > MAX_MESSAGE_BYTES {
            true
        } else if self.line.trim_ascii().is_empty() {
            false
        } else {
            !matches!(Message::parse(&self.line), Ok(Message::Notification))
        };
        self.count = self.count.saturating_add(usize::from(is_answered));
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(chunks: &[&[u8]]) -> usize {
        let mut requests = Requests::default();
        for chunk in chunks {
            requests.read(chunk);
        }
        requests.finish()
    }

    #[test]
    fn lines_that_are_answered_are_counted() {
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[b"\n \r\n\t\n"]), 0);
        assert_eq!(count(&[br#"{"method":"m"}"#, b"\n", br#"{"id":1,"method":"m"}"#]), 1);
        assert_eq!(count(&[br#"{"id":1,"#, br#""method":"m"}"#, b"\n\nno JSON\n[]\n"]), 3);
        let long = vec![b' '; MAX_MESSAGE_BYTES];
        assert_eq!(count(&[&long, b"\n", &long, b" \n", &long, b"{}", &long, b"\n{}"]), 3);
    }
}
