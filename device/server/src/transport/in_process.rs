//! Connections within this process: the same lines and semantics as over a pipe.

use device_key::{Peer, Transport};
use tokio::io::{DuplexStream, duplex, split};
use tracing::debug;

use super::lines::carry_lines;
use crate::app_server::{AppServer, this_process};
use crate::connection::Connection;

/// How many bytes each direction holds before its writer has to wait.
const PIPE_BYTES: usize = 64 * 1024;

impl AppServer {
    /// Opens a connection for this process, and gives the client's end of it.
    ///
    /// Must be called within a Tokio runtime, which serves the connection. Shutting the client's
    /// end down ends the input; requests in flight are still answered, and then the output ends.
    /// The client may leave answers unread for as long as it likes.
    pub fn connect_in_process(&self) -> DuplexStream {
        self.connect(Peer::Local(this_process(Transport::InProcess)))
    }

    /// Opens a connection for a peer that the caller, a transport of its own, has identified. Works
    /// as [`connect_in_process`](Self::connect_in_process) otherwise.
    pub fn connect(&self, peer: Peer) -> DuplexStream {
        let (connection, answers) = Connection::open(self, peer);
        let (ours, clients) = duplex(PIPE_BYTES);
        let (input, output) = split(ours);
        tokio::spawn(async move {
            if let Err(error) = carry_lines(connection, answers, input, output, None).await {
                debug!(%error, "an in-process connection was lost");
            }
        });
        clients
    }
}
