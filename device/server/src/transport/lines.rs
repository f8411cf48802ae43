//! Carries a connection over a pair of byte streams, one message a line.

use std::io;
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::carry::{MessageSource, carry};
use super::hang_up::Output;
use super::line_splitter::LineSplitter;
use super::outbox::Outbox;
use crate::app_server::turnstile::Turn;
use crate::connection::{Answers, Connection, RawMessage};

const CHUNK_BYTES: usize = 16 * 1024;

/// Serves a client until the input ends or the server stops, and every request is answered.
///
/// If the input cannot be read, this answers the requests that were read before, and then fails. If
/// the output is gone, or nobody reads it for the `stall` time, this fails at once.
pub(super) async fn carry_lines(
    connection: Connection,
    answers: Answers,
    input: impl AsyncRead + Unpin,
    output: impl Output,
    stall: Option<Duration>,
) -> io::Result<()> {
    let mut lines = Lines::new(input);
    let mut outbox = Outbox::new(output, stall);
    carry(connection, answers, &mut lines, &mut outbox).await?;
    lines.failure.map_or(Ok(()), Err)
}

/// The lines of a byte stream. The last line need not end with a line feed.
struct Lines<R> {
    input: R,
    splitter: LineSplitter,
    chunk: Box<[u8]>,
    unserved: Range<usize>,
    has_ended: bool,
    /// The error that ended the input, if there was one.
    failure: Option<io::Error>,
}

impl<R> Lines<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            splitter: LineSplitter::default(),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unserved: 0..0,
            has_ended: false,
            failure: None,
        }
    }
}

impl<R: AsyncRead + Unpin> MessageSource for Lines<R> {
    type Error = io::Error;

    fn next(&mut self, turn: &mut Turn) -> Option<RawMessage<'_>> {
        if self.has_ended {
            return self.splitter.finish();
        }
        let mut rest = self.chunk.get(self.unserved.clone()).unwrap_or_default();
        let line = self.splitter.next(&mut rest, turn);
        self.unserved.start = self.unserved.end - rest.len();
        line
    }

    async fn read(&mut self) -> io::Result<bool> {
        match self.input.read(&mut self.chunk).await {
            Ok(length) if length > 0 => self.unserved = 0..length,
            ended => {
                self.has_ended = true;
                self.failure = ended.err();
            }
        }
        Ok(!self.has_ended)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use device_key::Peer;
    use device_key_testing::{Assembly, MemoryProvider};
    use tokio::io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream, duplex, repeat,
        sink, split,
    };
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    use super::carry_lines;
    use crate::app_server::{AppServer, ServerDescription};
    use crate::connection::Connection;
    use crate::methods::table::Methods;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn server() -> AppServer {
        let store = Assembly::new().provider(MemoryProvider::hardware()).store();
        let description = ServerDescription {
            name: "test".to_owned(),
            version: "0".to_owned(),
            home: "/".into(),
        };
        AppServer::new(description, store, Methods::new()).unwrap()
    }

    #[tokio::test]
    async fn a_server_has_stopped_only_when_the_last_answer_is_delivered() {
        let server = server();
        let (ours, mut client) = duplex(64);
        let (input, output) = split(ours);
        let (connection, answers) = Connection::open(&server, Peer::Remote);
        let carried = tokio::spawn(carry_lines(connection, answers, input, output, None));
        client.write_all(b"nonsense\n").await.unwrap();
        client.shutdown().await.unwrap();
        // The beginning of an answer, of which no more fits into the stream now.
        let first = client.read_u8().await.unwrap();
        server.stop();
        let early = timeout(Duration::from_millis(50), server.stopped()).await;
        assert!(early.is_err(), "the rest of the answer is not delivered yet");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!((first, rest.last()), (b'{', Some(&b'\n')));
        timeout(PATIENCE, server.stopped()).await.unwrap();
        carried.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_input_that_never_pauses_does_not_keep_a_server_from_stopping() {
        let server = server();
        let (connection, answers) = Connection::open(&server, Peer::Remote);
        let endless = repeat(b'\n');
        let carried = tokio::spawn(carry_lines(connection, answers, endless, sink(), None));
        server.stop();
        timeout(PATIENCE, carried).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_leaves_with_all_its_answers_is_no_failure() {
        let server = server();
        let (ours, client) = UnixStream::pair().unwrap();
        let mut client = BufStream::new(client);
        let (input, output) = ours.into_split();
        let (connection, answers) = Connection::open(&server, Peer::Remote);
        let carried = tokio::spawn(carry_lines(connection, answers, input, output, None));
        client.write_all(b"nonsense\n").await.unwrap();
        client.flush().await.unwrap();
        assert_ne!(client.read_line(&mut String::new()).await.unwrap(), 0);
        drop(client);
        timeout(PATIENCE, carried).await.unwrap().unwrap().unwrap();
    }
}
