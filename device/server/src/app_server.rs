//! The server itself: its store, its methods, its limits, and how it stops.

pub(crate) mod connection_slots;
pub(crate) mod in_flight;
pub(crate) mod open_connections;
pub(crate) mod turnstile;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use device_key::{ConnectionId, DeviceKeyStore, LocalPeer, OwnerUid, Peer, Requester, Transport};
use device_key_protocol::initialize::{DeviceKeyCapabilities, InitializeResult, ServerInfo};
use device_key_types::Reason;
use device_key_websocket::Probe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::connection_slots::{ConnectionSlot, ConnectionSlots};
use self::open_connections::{OpenConnection, OpenConnections};
use self::turnstile::Turnstile;
use crate::limits::ServerLimits;
use crate::methods::audit::Audit;
use crate::methods::audit::log::{AuditLog, Unbounded};
use crate::methods::table::{DuplicateMethod, Methods};
use crate::methods::{self};

/// Serves `device/key/*` and the methods that a host mounts beside it. Cheap to clone.
#[derive(Clone)]
pub struct AppServer {
    inner: Arc<Inner>,
}

/// What the handshake tells clients about a server.
#[derive(Clone, Debug)]
pub struct ServerDescription {
    /// The server's name.
    pub name: String,
    /// The server's version.
    pub version: String,
    /// The home folder, as an absolute path. Remote peers are not told.
    pub home: PathBuf,
}

struct Inner {
    description: ServerDescription,
    store: DeviceKeyStore,
    methods: Methods,
    audit: Audit,
    limits: RwLock<ServerLimits>,
    stopping: CancellationToken,
    connections: TaskTracker,
    open_connections: OpenConnections,
    connection_slots: Arc<ConnectionSlots>,
    turnstile: Turnstile,
    is_writable: Probe<bool>,
    next_connection: AtomicU64,
}

impl AppServer {
    /// Creates a server with a store and the host's own methods, if the host has any.
    pub fn new(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
    ) -> Result<Self, DuplicateMethod> {
        Self::with_limits(description, store, host, ServerLimits::default())
    }

    /// Like [`new`](Self::new), but with limits of the caller's choice.
    pub fn with_limits(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
        limits: ServerLimits,
    ) -> Result<Self, DuplicateMethod> {
        Self::with_audit_log(description, store, host, limits, Arc::new(Unbounded))
    }

    /// Like [`with_limits`](Self::with_limits), but operations are refused with `overloaded` while
    /// this log has no room for their audit events.
    pub fn with_audit_log(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
        limits: ServerLimits,
        audit_log: Arc<dyn AuditLog>,
    ) -> Result<Self, DuplicateMethod> {
        let audit = Audit::new(audit_log);
        let methods = methods::device_key::mount(host, &store, &audit)?;
        let methods = methods::attestation::mount(methods, &store, &audit)?;
        let methods = methods::admin::mount(methods, &store, &audit)?;
        let probed = store.clone();
        let is_writable = Probe::new(move || {
            let store = probed.clone();
            async move { store.is_writable().await }
        });
        let inner = Inner {
            description,
            store,
            methods,
            audit,
            limits: RwLock::new(limits),
            stopping: CancellationToken::new(),
            connections: TaskTracker::new(),
            open_connections: OpenConnections::default(),
            connection_slots: Arc::default(),
            turnstile: Turnstile::default(),
            is_writable,
            next_connection: AtomicU64::new(1),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Accepts this much from now on. What is accepted already is kept.
    pub fn set_limits(&self, limits: ServerLimits) {
        *self.inner.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Begins to stop: listeners take no more connections, and each connection refuses new
    /// requests, answers those in flight and closes. [`stopped`](Self::stopped) waits for that.
    pub fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.connections.close();
    }

    /// Waits until [`stop`](Self::stop) was called and every connection has ended.
    pub async fn stopped(&self) {
        self.inner.stopping.cancelled().await;
        self.inner.connections.wait().await;
    }

    /// Waits until no connection was open for this time. A host may then stop.
    pub async fn idle_for(&self, time: Duration) {
        self.inner.open_connections.none_for(time).await;
    }

    /// The names of all methods behind the handshake, sorted: `device/key/*` and the host's own.
    pub fn method_names(&self) -> Vec<&'static str> {
        self.inner.methods.names()
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.inner.methods
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.inner.audit
    }

    pub(crate) fn limits(&self) -> ServerLimits {
        *self.inner.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is cancelled when the server must stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Numbers a new connection. The server and the store give each user, and then each connection
    /// of a user, a fair share. Remote peers share as one user.
    pub(crate) fn numbered(&self, peer: Peer) -> (Peer, Requester) {
        let number = self.inner.next_connection.fetch_add(1, Ordering::Relaxed);
        let connection = ConnectionId::new(number);
        match peer {
            Peer::Local(peer) => {
                let requester = Requester { owner: Some(peer.owner()), connection };
                (Peer::Local(peer.on_connection(connection)), requester)
            }
            Peer::Remote => (Peer::Remote, Requester { owner: None, connection }),
        }
    }

    /// Takes a slot for one more connection of this user, or of a remote peer.
    pub(crate) fn connection_slot(
        &self,
        owner: Option<OwnerUid>,
    ) -> Result<ConnectionSlot, Reason> {
        self.inner.connection_slots.take(owner.map(OwnerUid::as_raw), &self.limits())
    }

    /// Whether a key could be recorded now, as of a second ago at most.
    pub(crate) async fn is_writable(&self) -> bool {
        self.inner.is_writable.outcome().await == Some(true)
    }

    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.inner.turnstile
    }

    /// Counts a listener for as long as the token lives.
    pub(crate) fn opened_listener(&self) -> TaskTrackerToken {
        self.inner.connections.token()
    }

    /// Counts a connection for as long as the result lives.
    pub(crate) fn opened_connection(&self) -> OpenConnection {
        self.inner.open_connections.open(self.inner.connections.token())
    }

    /// The answer to `initialize`. It asks no key device, because every client waits for it.
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
            platform_family: std::env::consts::FAMILY.into(),
            platform_os: std::env::consts::OS.into(),
            server_info: ServerInfo { name: name.clone(), version: version.clone() },
            device_key: local.map(|peer| DeviceKeyCapabilities {
                providers: methods::device_key::provider_infos(&self.inner.store, &peer),
            }),
        }
    }
}

/// A peer that is this process or its parent, and so runs under this process's user.
pub(crate) fn this_process(transport: Transport) -> LocalPeer {
    LocalPeer::from_transport(OwnerUid::new(rustix::process::geteuid().as_raw()), transport)
}
