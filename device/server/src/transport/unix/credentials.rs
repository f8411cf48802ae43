//! The user and the process at the other end of a Unix socket, as the kernel reports them.

use std::{fs, io};

use device_key::{LocalPeer, OwnerUid, Peer, PeerProcess, Transport};
use tokio::net::UnixStream;

/// The id that the kernel shows for a user that is not mapped in our user namespace, if
/// /proc/sys/kernel/overflowuid cannot be read (`DEFAULT_OVERFLOWUID`, linux/highuid.h).
const DEFAULT_OVERFLOW_UID: u32 = 65_534;

/// The peer's user and process, as the kernel recorded them when the peer connected (`SO_PEERCRED`,
/// unix(7)). Only a connected socket has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    owner: OwnerUid,
    /// `None` if the process has no id in our process namespace.
    process_id: Option<u32>,
}

impl PeerCredentials {
    /// Asks the kernel for the credentials of a stream's peer.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let process_id = credentials.pid().and_then(|id| u32::try_from(id).ok());
        Ok(Self {
            owner: OwnerUid::new(credentials.uid()),
            process_id: process_id.filter(|id| *id != 0),
        })
    }

    /// The peer's user id at the time of connecting.
    pub const fn owner(&self) -> OwnerUid {
        self.owner
    }

    /// The peer that is served. All users that are not mapped here share the `overflow` id, and
    /// none of these users may have another's keys, so such a peer is served as a remote one.
    pub(in crate::transport) fn peer(&self, overflow: u32) -> Peer {
        if self.owner.as_raw() == overflow {
            return Peer::Remote;
        }
        let peer = LocalPeer::from_transport(self.owner, Transport::UnixSocket);
        Peer::Local(match self.process_id {
            Some(id) => peer.with_process(PeerProcess::new(id, &command_name(id))),
            None => peer,
        })
    }
}

/// The process's command name. It is empty if the process has ended already or is not visible to
/// us.
fn command_name(process_id: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process_id}/comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

/// The user id that stands for all users that are not mapped in our user namespace.
pub(in crate::transport) fn overflow_uid() -> u32 {
    fs::read_to_string("/proc/sys/kernel/overflowuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_OVERFLOW_UID)
}
