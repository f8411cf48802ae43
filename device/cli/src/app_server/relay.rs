//! `device-key app-server --connect`: relays the standard streams to the service's socket.

use device_key_client::{ServiceSocket, relay_stdio};
use device_key_types::UnixSocketPath;

use crate::client::failure_of;
use crate::exit::{Exit, Failure};

/// Relays standard input and output to the service's socket. No other socket is tried.
pub(super) fn run(socket: &UnixSocketPath, service_uid: Option<u32>) -> Result<Exit, Failure> {
    let socket = ServiceSocket::at(socket.clone()).trusting(service_uid);
    let service = socket.connect_blocking().map_err(failure_of)?;
    relay_stdio(&service).map(|()| Exit::Success).map_err(|error| Failure {
        exit: Exit::TransportFailed,
        what: "the connection to the service failed".to_owned(),
        cause: error.to_string(),
        fix: None,
    })
}
