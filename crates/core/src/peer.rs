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
}

impl LocalPeer {
    /// Records what a transport learned from the kernel.
    pub const fn from_transport(owner: OwnerUid, transport: Transport) -> Self {
        Self { owner, transport }
    }

    /// The user whose keys this peer may use.
    pub const fn owner(&self) -> OwnerUid {
        self.owner
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
}

impl Transport {
    /// The transport's name, for traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::InProcess => "in_process",
        }
    }
}

/// The numeric user id that owns a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
