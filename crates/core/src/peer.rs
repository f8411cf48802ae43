use std::fmt;

/// Who is at the other end of a connection, as its transport found out. What a message says about
/// its sender is never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine, of a known user.
    Local(LocalPeer),
    /// Anything else. Key operations are refused.
    Remote,
}

impl Peer {
    /// The transport's name, for traces.
    pub const fn transport(&self) -> &'static str {
        match self {
            Self::Local(peer) => peer.transport.as_str(),
            Self::Remote => "remote",
        }
    }
}

/// A local process. Only a transport should make one, from what the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    owner: OwnerUid,
    transport: Transport,
    connection: ConnectionId,
}

/// Tells connections apart, so that one cannot crowd out another. Unique within a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Numbers a connection.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_raw(self) -> u64 {
        self.0
    }
}

impl LocalPeer {
    /// Records what a transport learned from the kernel.
    pub const fn from_transport(owner: OwnerUid, transport: Transport) -> Self {
        Self { owner, transport, connection: ConnectionId(0) }
    }

    /// The same peer, on this connection. Without it, a peer shares its turns with every other one
    /// of its user that has none.
    #[must_use]
    pub const fn on_connection(self, connection: ConnectionId) -> Self {
        Self { connection, ..self }
    }

    /// The user whose keys this peer may use.
    pub const fn owner(&self) -> OwnerUid {
        self.owner
    }

    /// How it is connected.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Which connection it is on.
    pub const fn connection(&self) -> ConnectionId {
        self.connection
    }
}

/// How a local peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Standard input and output of a child process.
    Stdio,
    /// A Rust host in the same process.
    InProcess,
    /// A Unix domain socket; the kernel tells the peer's user.
    UnixSocket,
}

impl Transport {
    /// The transport's name, for traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::InProcess => "in_process",
            Self::UnixSocket => "unix",
        }
    }
}

/// The numeric user id that owns a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerUid(u32);

impl OwnerUid {
    /// Takes a numeric user id.
    pub const fn new(uid: u32) -> Self {
        Self(uid)
    }

    /// The numeric user id.
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

impl fmt::Display for OwnerUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
