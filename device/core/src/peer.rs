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
    process: Option<PeerProcess>,
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
        Self { owner, transport, connection: ConnectionId(0), process: None }
    }

    /// The same peer, on this connection. Without it, a peer shares its turns with every other one
    /// of its user that has none.
    #[must_use]
    pub const fn on_connection(self, connection: ConnectionId) -> Self {
        Self { connection, ..self }
    }

    /// The same peer, with what the transport could see of its process.
    #[must_use]
    pub const fn with_process(self, process: PeerProcess) -> Self {
        Self { process: Some(process), ..self }
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

    /// What could be seen of its process, for the audit log.
    pub const fn process(&self) -> Option<&PeerProcess> {
        self.process.as_ref()
    }
}

/// A process as it was when it connected. A hint for people and no identity: a process chooses its
/// own command name, hands its connections on, and leaves its number to another when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProcess {
    id: u32,
    command: [u8; COMMAND_BYTES],
    command_length: u8,
}

/// Longest command name: `TASK_COMM_LEN` less its final zero (`proc_pid_comm(5)`).
const COMMAND_BYTES: usize = 15;

impl PeerProcess {
    /// Keeps a process id and at most 15 bytes of a command name. Of the name only printable ASCII
    /// is kept, for it goes to logs and is the peer's own choice.
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

    /// The process id, as the service's own process namespace has it.
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

#[cfg(test)]
mod tests {
    use super::*;

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
