use device_key_server::{RelayError, RelayTarget, relay_stdio};
use device_key_types::{ErrorChain, UnixSocketPath};

use crate::{
    exit::{Exit, Failure},
    service_socket::cure_of_mistrust,
};

/// Relays standard input and output to the service's socket, and to no other.
pub(super) fn run(socket: &UnixSocketPath, service_uid: Option<u32>) -> Result<Exit, Failure> {
    let target = RelayTarget { path: socket.as_path().to_owned(), service_uid };
    relay_stdio(&target).map(|()| Exit::Success).map_err(|error| {
        let (exit, cure) = match &error {
            RelayError::NoService { .. } => {
                (Exit::NoService, Some("start the service, or name its socket".to_owned()))
            }
            RelayError::NotTheService { found, .. } => {
                (Exit::UntrustedService, Some(cure_of_mistrust(*found)))
            }
            _ => (Exit::TransportFailed, None),
        };
        Failure {
            exit,
            what: "cannot relay to the service".to_owned(),
            cause: ErrorChain(&error).to_string(),
            cure,
        }
    })
}
