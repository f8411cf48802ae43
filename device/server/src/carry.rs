//! Carries one connection over a pair of streams.

mod outbox;

use std::{io, ops::Range, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use crate::{Answers, Connection};
use outbox::Outbox;

const CHUNK_BYTES: usize = 16 * 1024;

/// Answers given at once before others get their turn on this thread. Each takes tens of
/// microseconds at most, and a client that waits for each answer never comes so far.
const ANSWERS_IN_A_ROW: usize = 16;

/// Reads, serves and answers until the input ends or the server stops, and every request is
/// answered. An error means that the input could not be read, or that the output is gone or, if
/// there is a `stall` time, that nobody read it for so long.
///
/// One loop does it all, so that a request that needs no waiting costs one read and one write, and
/// nothing is woken in between. It takes nothing on while unwritten answers pile up.
pub(crate) async fn carry(
    connection: Connection,
    mut answers: Answers,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    stall: Option<Duration>,
) -> io::Result<()> {
    let mut reading = Reading::new(connection);
    let mut stopped = pin!(reading.stopping.clone().cancelled_owned());
    let mut outbox = Outbox::new(stall);
    let mut is_answered = false;
    let mut has_looked = false;
    loop {
        if reading.serve(&mut outbox) {
            yield_now().await;
        }
        if is_answered && outbox.is_empty() {
            return reading.outcome;
        }
        let has_room = outbox.has_room();
        tokio::select! {
            biased;
            written = outbox.write_some(&mut output), if !outbox.is_empty() => written?,
            answer = answers.next(), if has_room && !is_answered => match answer {
                Some(answer) => {
                    outbox.push(&answer);
                    while outbox.has_room() && let Some(answer) = answers.next_now() {
                        outbox.push(&answer);
                    }
                }
                // The connection is over, and so is the last of its requests.
                None => is_answered = true,
            },
            length = input.read(&mut reading.chunk), if has_room && reading.wants_more() => {
                reading.take(length, &mut outbox);
            }
            () = &mut stopped, if reading.is_idle() && outbox.is_empty() => {
                // What was sent before we stopped may be known to the kernel alone as yet.
                if std::mem::replace(&mut has_looked, true) {
                    reading.end();
                } else {
                    yield_now().await;
                }
            }
        }
    }
}

/// The incoming half.
struct Reading {
    /// `None` when nothing more is read; then the answers end with the last request in flight.
    connection: Option<Connection>,
    stopping: CancellationToken,
    chunk: Box<[u8]>,
    unserved: Range<usize>,
    in_a_row: usize,
    outcome: io::Result<()>,
}

impl Reading {
    fn new(connection: Connection) -> Self {
        Self {
            stopping: connection.stopping().clone(),
            connection: Some(connection),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unserved: 0..0,
            in_a_row: 0,
            outcome: Ok(()),
        }
    }

    const fn wants_more(&self) -> bool {
        self.connection.is_some() && self.unserved.start >= self.unserved.end
    }

    fn is_idle(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_idle)
    }

    /// Takes what came, or the end of it.
    fn take(&mut self, read: io::Result<usize>, outbox: &mut Outbox) {
        match read {
            Ok(0) => self.finish(outbox),
            Ok(length) => self.unserved = 0..length,
            Err(error) => {
                self.finish(outbox);
                self.outcome = Err(error);
            }
        }
    }

    /// Serves what was read, as far as there is room for answers. Tells whether it is others' turn.
    fn serve(&mut self, outbox: &mut Outbox) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        if self.unserved.is_empty() {
            return false;
        }
        let mut rest = self.chunk.get(self.unserved.clone()).unwrap_or_default();
        while outbox.has_room() && self.in_a_row < ANSWERS_IN_A_ROW {
            let Some(answer) = connection.next_answer(&mut rest) else { break };
            outbox.push(&answer);
            self.in_a_row += 1;
        }
        self.unserved.start = self.unserved.end - rest.len();
        if self.unserved.is_empty() && self.stopping.is_cancelled() && connection.is_idle() {
            // That was refused in words, and a client that goes on and on is not waited for.
            self.end();
        }
        let is_others_turn = self.in_a_row >= ANSWERS_IN_A_ROW;
        if is_others_turn {
            self.in_a_row = 0;
        }
        is_others_turn
    }

    fn finish(&mut self, outbox: &mut Outbox) {
        if let Some(answer) = self.connection.as_mut().and_then(Connection::last_answer) {
            outbox.push(&answer);
        }
        self.end();
    }

    fn end(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use device_key::Peer;
    use device_key_testing::{Assembly, MemoryProvider};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, repeat, sink, split},
        time::timeout,
    };

    use super::carry;
    use crate::{AppServer, Methods, ServerDescription};

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
        let (connection, answers) = server.connect(Peer::Remote);
        let carried = tokio::spawn(carry(connection, answers, input, output, None));
        client.write_all(b"nonsense\n").await.unwrap();
        client.shutdown().await.unwrap();
        // The beginning of an answer of which no more fits now.
        let first = client.read_u8().await.unwrap();
        server.stop();
        let early = timeout(Duration::from_millis(50), server.stopped()).await;
        assert!(early.is_err(), "the rest of it is not delivered");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!((first, rest.last()), (b'{', Some(&b'\n')));
        timeout(PATIENCE, server.stopped()).await.unwrap();
        carried.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_input_that_never_pauses_is_let_go() {
        let server = server();
        let (connection, answers) = server.connect(Peer::Remote);
        let endless = repeat(b'\n');
        let carried = tokio::spawn(carry(connection, answers, endless, sink(), None));
        server.stop();
        timeout(PATIENCE, carried).await.unwrap().unwrap().unwrap();
    }
}
