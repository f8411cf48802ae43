use std::{path::PathBuf, sync::Arc};

use device_key::{DeviceKeyStore, LocalPeer, OwnerUid, Peer, Transport};
use device_key_protocol::initialize::{DeviceKeyCapabilities, InitializeResult, ServerInfo};

use crate::{Answers, Connection, DuplicateMethod, Methods, device_key_methods};

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
}

impl AppServer {
    /// Puts a server together from a store and a host's own methods, which may be none.
    pub fn new(
        description: ServerDescription,
        store: DeviceKeyStore,
        host: Methods,
    ) -> Result<Self, DuplicateMethod> {
        let methods = device_key_methods::mount(host, &store)?;
        Ok(Self { inner: Arc::new(Inner { description, store, methods }) })
    }

    /// Opens a connection for a peer that the caller, a transport, has identified.
    ///
    /// Must be called and used within a Tokio runtime.
    pub fn connect(&self, peer: Peer) -> (Connection, Answers) {
        Connection::open(self.clone(), peer)
    }

    /// Opens a connection for this very process: the same lines and semantics as over a pipe.
    pub fn connect_in_process(&self) -> (Connection, Answers) {
        self.connect(Peer::Local(this_process(Transport::InProcess)))
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.inner.methods
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
