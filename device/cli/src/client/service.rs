use std::io;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// Far above the largest answer: a page of keys with the longest names.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// A running service, at the other end of a socket.
pub(super) struct Service {
    stream: BufReader<UnixStream>,
}

impl Service {
    pub(super) fn on(stream: UnixStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a line and waits for one.
    pub(super) async fn exchange(&mut self, line: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(line).await?;
        let mut answer = Vec::new();
        (&mut self.stream).take(MAX_ANSWER_BYTES).read_until(b'\n', &mut answer).await?;
        if answer.ends_with(b"\n") { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}
