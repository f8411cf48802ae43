//! The caller at the other end of a connection.

use std::fmt;

/// The caller at the other end of a connection, as the transport found it. Nothing that a message
/// says about its sender is part of this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine whose user is known.
    Local(LocalPeer),
    /// Any other caller. Its key operations are refused.
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

/// A local process. Only a transport should make this value, from what the kernel reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    owner: OwnerUid,
    transport: Transport,
    connection: ConnectionId,
    process: Option<PeerProcess>,
}

/// The number of a connection, unique within a server. It keeps one connection from crowding out
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
        Self { owner, transport, connection: ConnectionId(0), process: None }
    }

    /// This peer, with the number of its connection. Peers without a connection number share one
    /// queue for each user.
    #[must_use]
    pub const fn on_connection(self, connection: ConnectionId) -> Self {
        Self { connection, ..self }
    }

    /// This peer, with what the transport could see of its process.
    #[must_use]
    pub const fn with_process(self, process: PeerProcess) -> Self {
        Self { process: Some(process), ..self }
    }

    /// This peer as the administrator of the machine: root, as the kernel reports it for a Unix
    /// socket. `None` for everybody else, and for root over any other transport.
    pub const fn as_administrator(&self) -> Option<Administrator> {
        match (self.owner, self.transport) {
            (OwnerUid(0), Transport::UnixSocket) => Some(Administrator(*self)),
            _ => None,
        }
    }

    /// The user whose keys this peer may use.
    pub const fn owner(&self) -> OwnerUid {
        self.owner
    }

    /// How the peer is connected.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The peer's connection.
    pub const fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// What the transport could see of the peer's process, for the audit log.
    pub const fn process(&self) -> Option<&PeerProcess> {
        self.process.as_ref()
    }
}

/// A peer that may count and remove the keys of other users, but not use them. Only
/// [`LocalPeer::as_administrator`] makes this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Administrator(LocalPeer);

impl Administrator {
    /// The peer.
    pub const fn peer(&self) -> &LocalPeer {
        &self.0
    }
}

/// A process as it was when it connected.
///
/// This value is a hint for people, not an identity: a process chooses its own command name, can
/// pass its connection to another process, and frees its process id when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProcess {
    id: u32,
    command: [u8; COMMAND_BYTES],
    command_length: u8,
}

/// The longest command name: `TASK_COMM_LEN` less its final zero (`proc_pid_comm(5)`).
const COMMAND_BYTES: usize = 15;

impl PeerProcess {
    /// Keeps a process id and at most 15 bytes of a command name. Each byte of the name that is not
    /// printable ASCII becomes `?`, because the peer chooses the name and the name goes to logs.
    pub fn new(id: u32, command_name: &str) -> Self {
        let printable = |byte: u8| if matches!(byte, b' '..=b'~') { byte } else { b'?' };
        let mut command = [0; COMMAND_BYTES];
        let mut command_length = 0;
        for (slot, byte) in command.iter_mut().zip(command_name.bytes()) {
            *slot = printable(byte);
            command_length += 1;
        }
        Self { id, command, command_length }
    }

    /// The process id in the service's own process namespace.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The command name, unverified.
    pub fn command(&self) -> &str {
        let length = usize::from(self.command_length);
        let command = self.command.get(..length).unwrap_or_default();
        std::str::from_utf8(command).unwrap_or_default()
    }
}

/// How a local peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Standard input and output of a child process.
    Stdio,
    /// A Rust program that has the service in its own process.
    InProcess,
    /// A Unix domain socket, whose kernel reports the peer's user.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_on_a_unix_socket_is_the_administrator() {
        let transports = [Transport::Stdio, Transport::InProcess, Transport::UnixSocket];
        for (uid, transport) in [0, 1, 1000, u32::MAX]
            .into_iter()
            .flat_map(|uid| transports.map(|transport| (uid, transport)))
        {
            let peer = LocalPeer::from_transport(OwnerUid::new(uid), transport);
            let expected = (uid, transport) == (0, Transport::UnixSocket);
            assert_eq!(peer.as_administrator().is_some(), expected, "{peer:?}");
        }
    }

    #[test]
    fn a_command_name_is_short_and_harmless() {
        let shown = |name| PeerProcess::new(1, name).command().to_owned();
        assert_eq!(shown("controller"), "controller");
        assert_eq!(shown("a\nb\u{1b}[31m"), "a?b?[31m");
        assert_eq!(shown("ö"), "??");
        assert_eq!(shown("0123456789abcdefg"), "0123456789abcde");
        assert_eq!(shown(""), "");
    }
}
