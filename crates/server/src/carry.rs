//! Carries one connection over a pair of streams.

use std::{io, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{Answers, Connection, ConnectionClosed};

const CHUNK_BYTES: usize = 16 * 1024;

/// Reads, serves and answers until the input ends or the server stops, and every request is
/// answered. An error means that the input could not be read, or that the output is gone or, if
/// there is a `stall` time, that nobody read it for so long.
pub(crate) async fn carry(
    connection: Connection,
    answers: Answers,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stall: Option<Duration>,
) -> io::Result<()> {
    let mut writing = pin!(write(answers, output, stall));
    tokio::select! {
        // It ends by itself only when the output is gone: the connection keeps the answers open.
        written = &mut writing => written,
        read = read(connection, input) => writing.await.and(read),
    }
}

async fn read(mut connection: Connection, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
    let stopping: CancellationToken = connection.stopping().clone();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = tokio::select! {
            read = input.read(&mut chunk) => read,
            () = stopping.cancelled() => return refuse_until_idle(connection, input, chunk).await,
        };
        match length {
            Ok(0) => return connection.finish().await.map_err(gone),
            Ok(length) => feed(&mut connection, &chunk, length).await?,
            Err(error) => return connection.finish().await.map_err(gone).and(Err(error)),
        }
    }
}

/// The server stops: what is in flight is answered, and what still comes is refused meanwhile.
async fn refuse_until_idle(
    mut connection: Connection,
    mut input: impl AsyncRead + Unpin,
    mut chunk: Vec<u8>,
) -> io::Result<()> {
    let in_flight = connection.in_flight();
    let mut idle = pin!(in_flight.wait());
    loop {
        let length = tokio::select! {
            () = &mut idle => break,
            read = input.read(&mut chunk) => read?,
        };
        if length == 0 {
            break;
        }
        feed(&mut connection, &chunk, length).await?;
    }
    connection.finish().await.map_err(gone)
}

async fn feed(connection: &mut Connection, chunk: &[u8], length: usize) -> io::Result<()> {
    connection.feed(chunk.get(..length).unwrap_or_default()).await.map_err(gone)
}

fn gone(_: ConnectionClosed) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

async fn write(
    mut answers: Answers,
    mut output: impl AsyncWrite + Unpin,
    stall: Option<Duration>,
) -> io::Result<()> {
    let mut ready = Vec::new();
    let mut bytes = Vec::new();
    while answers.next_many(&mut ready).await > 0 {
        bytes.clear();
        ready.drain(..).for_each(|answer| bytes.extend_from_slice(answer.as_bytes()));
        match stall {
            Some(stall) => write_in_time(&mut output, &bytes, stall).await?,
            None => output.write_all(&bytes).await?,
        }
        output.flush().await?;
    }
    Ok(())
}

/// Each part that the client takes gives it the whole time again.
async fn write_in_time(
    output: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    stall: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(stall, output.write(bytes)).await??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
