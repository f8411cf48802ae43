//! Makes room for connections among the file descriptors that the process may have.

use device_key_config::ListenAddress;
use device_key_server::ServerLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::settings::Settings;

/// What the process opens apart from connections: 22 descriptors at the start, and two files for
/// each of 32 threads that work on keys. The rest is for a TPM, exporters and sockets.
const RESERVE: u64 = 128;
/// What the process opens if it has little to do.
const LEAST_RESERVE: u64 = 32;
/// The most connections of one WebSocket listener, half of which have not finished their request.
const OF_WEBSOCKET: u64 = 128;

/// Raises the soft limit of descriptors to the hard limit. The soft limit is often 1024, for the
/// sake of programs that use select(2), which this program does not.
pub(super) fn raise_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Fails if a filter forbids the call, and then the soft limit stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// The limits of the settings, with as many connections as fit into the process's descriptors
/// beside what it needs itself. A process with few descriptors gives half of them to connections,
/// or less.
pub(super) fn server_limits(settings: &Settings) -> ServerLimits {
    let limits = settings.server_limits();
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let is_websocket = |address: &&ListenAddress| matches!(address, ListenAddress::WebSocket(_));
    let listeners = settings.listen.iter().filter(is_websocket).map(|_| OF_WEBSOCKET);
    let reserve = listeners.sum::<u64>() + RESERVE;
    let room = descriptors.saturating_sub(reserve.min(LEAST_RESERVE.max(descriptors / 2)));
    let connections = limits.connections.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1);
    if connections < limits.connections {
        warn!(
            connections,
            configured = limits.connections,
            descriptors,
            "there are too few file descriptors for all connections: raise the limit (ulimit -n)"
        );
    }
    ServerLimits { connections, ..limits }
}
