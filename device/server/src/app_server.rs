use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use device_key::{ConnectionId, DeviceKeyStore, LocalPeer, OwnerUid, Peer, Transport};
use device_key_protocol::initialize::{DeviceKeyCapabilities, InitializeResult, ServerInfo};

use device_key_types::Reason;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    Answers, Connection, DuplicateMethod, Methods, ServerLimits,
    admission::{Admissions, Admitted},
    attestation_methods, device_key_methods,
};

/// Serves `device/key/*`, and what a host mounts beside it. Cheap to clone.
#[derive(Clone)]
pub struct AppServer {
    inner: Arc<Inner>,
}

/// What the handshake tells about a server.
#[derive(Clone, Debug)]
pub struct ServerDescription {
    /// The server's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The home folder, absolute. Remote peers are not told.
    pub home: PathBuf,
}

struct Inner {
    description: ServerDescription,
    store: DeviceKeyStore,
    methods: Methods,
    limits: ServerLimits,
    stopping: CancellationToken,
    connections: TaskTracker,
    admissions: Arc<Admissions>,
    next_connection: AtomicU64,
}

impl AppServer {
    /// Puts a server together from a store and a host's own methods, which may be none.
    pub fn new(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
    ) -> Result<Self, DuplicateMethod> {
        Self::with_limits(description, store, host, ServerLimits::default())
    }

    /// As [`new`](Self::new), with other limits than the default ones.
    pub fn with_limits(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
        limits: ServerLimits,
    ) -> Result<Self, DuplicateMethod> {
        let methods = device_key_methods::mount(host, &store)?;
        let methods = attestation_methods::mount(methods, &store)?;
        let inner = Inner {
            description,
            store,
            methods,
            limits,
            stopping: CancellationToken::new(),
            connections: TaskTracker::new(),
            admissions: Arc::default(),
            next_connection: AtomicU64::new(1),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins to stop: listeners take no more connections, each connection refuses what is new,
    /// answers what is in flight and closes. What waits for that uses [`stopped`](Self::stopped).
    pub fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.connections.close();
    }

    /// Waits until [`stop`](Self::stop) was called and every connection has ended.
    pub async fn stopped(&self) {
        self.inner.stopping.cancelled().await;
        self.inner.connections.wait().await;
    }

    /// Opens a connection for a peer that the caller, a transport, has identified.
    ///
    /// Must be called and used within a Tokio runtime.
    pub fn connect(&self, peer: Peer) -> (Connection, Answers) {
        let peer = match peer {
            Peer::Local(peer) => {
                let number = self.inner.next_connection.fetch_add(1, Ordering::Relaxed);
                Peer::Local(peer.on_connection(ConnectionId::new(number)))
            }
            Peer::Remote => Peer::Remote,
        };
        Connection::open(self.clone(), peer)
    }

    /// Opens a connection for this very process: the same lines and semantics as over a pipe.
    pub fn connect_in_process(&self) -> (Connection, Answers) {
        self.connect(Peer::Local(this_process(Transport::InProcess)))
    }

    /// The names of all methods behind the handshake, sorted: `device/key/*` and the host's own.
    pub fn method_names(&self) -> Vec<&'static str> {
        self.inner.methods.names()
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.inner.methods
    }

    pub(crate) fn limits(&self) -> &ServerLimits {
        &self.inner.limits
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// A place for one more connection of this user, or of a remote peer.
    pub(crate) fn admit(&self, owner: Option<OwnerUid>) -> Result<Admitted, Reason> {
        self.inner.admissions.admit(owner.map(OwnerUid::as_raw), &self.inner.limits)
    }

    /// Counts a connection, or a listener, for as long as the token lives.
    pub(crate) fn opened(&self) -> TaskTrackerToken {
        self.inner.connections.token()
    }

    /// The answer to `initialize`. No platform is asked: it is on the path of every start.
    pub(crate) fn initialize_result(&self, peer: Peer) -> InitializeResult {
        let ServerDescription { name, version, home } = &self.inner.description;
        let local = match peer {
            Peer::Local(peer) => Some(peer),
            Peer::Remote => None,
        };
        InitializeResult {
            user_agent: format!(
                "{name}/{version} ({}; {})",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            codex_home: if local.is_some() { home.display().to_string() } else { "/".to_owned() },
            platform_family: std::env::consts::FAMILY,
            platform_os: std::env::consts::OS,
            server_info: ServerInfo { name: name.clone(), version: version.clone() },
            device_key: local.map(|peer| DeviceKeyCapabilities {
                providers: device_key_methods::provider_infos(&self.inner.store, &peer),
            }),
        }
    }
}

/// The caller is this process or its parent, under the same user.
pub(crate) fn this_process(transport: Transport) -> LocalPeer {
    LocalPeer::from_transport(OwnerUid::new(rustix::process::geteuid().as_raw()), transport)
}
